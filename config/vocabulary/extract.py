# SPDX-License-Identifier: Apache-2.0
"""Writes elements.tsv, the vocabulary of broker.xml, from the schemas of the Java broker.

usage: python3 extract.py OLDEST.xsd [NEWER.xsd ...] > elements.tsv

Give the schemas oldest first; a name that a later one adds gets that schema's place in the list (1, 2, …) in the
column "since" (0 = in the first). One row is one element or attribute of one type. Nameless types are called
after the element that holds them: "parent type/element". What Hind does with a name stands in statuses.tsv.
"""

import sys
import xml.etree.ElementTree as ElementTree

XSD = "{http://www.w3.org/2001/XMLSchema}"
SIMPLE = {"string": "string", "ID": "string", "IDREF": "string", "float": "double", "positiveInteger": "int", "nonNegativeInteger": "int", "boolean": "bool", "int": "int", "integer": "int", "long": "long", "double": "double"}


class Schema:
    def __init__(self, path):
        root = ElementTree.parse(path).getroot()
        self.named = {(child.tag, child.get("name")): child for child in root}
        self.rows = {}
        self.seen = set()
        self.complex(self.named[XSD + "complexType", "configurationType"], "configurationType")

    def local(self, name):
        return name.split(":")[-1]

    def value(self, node, owner):
        """The value word of an element or attribute; complex types are walked as they are met."""
        given = node.get("type")
        if given is None:
            inner = node.find(XSD + "complexType")
            if inner is not None:
                name = "/".join(filter(None, (owner, node.get("name"))))
                self.complex(inner, name)
                return "type:" + name
            inner = node.find(XSD + "simpleType")
            return self.simple(inner) if inner is not None else "string"
        name = self.local(given)
        if given.startswith("xsd:"):
            return SIMPLE[name]
        if (XSD + "simpleType", name) in self.named:
            return self.simple(self.named[XSD + "simpleType", name])
        self.complex(self.named[XSD + "complexType", name], name)
        return "type:" + name

    def simple(self, node):
        words = [word.get("value") for word in node.iter(XSD + "enumeration")]
        return "enum:" + "|".join(words) if words else SIMPLE[self.local(node.find(XSD + "restriction").get("base"))]

    def complex(self, node, name):
        if name in self.seen:
            return
        self.seen.add(name)
        self.walk(node, name, many=False, optional=False)

    def walk(self, node, owner, many, optional):
        for child in node:
            tag = child.tag.replace(XSD, "") if isinstance(child.tag, str) else ""
            if tag in ("all", "sequence", "choice"):
                repeats = many or child.get("maxOccurs", "1") != "1"
                self.walk(child, owner, repeats, optional or tag == "choice" or child.get("minOccurs") == "0")
            elif tag in ("complexContent", "simpleContent"):
                self.walk(child, owner, many, optional)
            elif tag == "extension":
                base = self.local(child.get("base"))
                if child.get("base").startswith("xsd:"):
                    self.row(owner, "text", "-", SIMPLE[base], "", "")
                else:
                    self.walk(self.named[XSD + "complexType", base], owner, many, optional)
                self.walk(child, owner, many, optional)
            elif tag == "element":
                self.element(child, owner, many, optional)
            elif tag == "attribute":
                required = "required" if child.get("use") == "required" else ""
                self.row(owner, "attribute", child.get("name"), self.value(child, owner), required, child.get("default", ""))

    def element(self, node, owner, many, optional):
        repeats = "many" if many or node.get("maxOccurs", "1") != "1" else "once"
        required = not optional and node.get("minOccurs", "1") != "0"
        owner_of_type = owner
        if node.get("ref"):
            head = self.local(node.get("ref"))
            members = [child for child in self.named.values() if self.local(child.get("substitutionGroup", "")) == head]
            for member in members:
                self.row(owner, "element", member.get("name"), self.value(member, ""), repeats, "")
            node, owner_of_type = self.named[XSD + "element", head], ""
            if node.get("abstract") == "true":
                return
        value = self.value(node, owner_of_type)
        occurs = repeats + (" required" if required else "")
        self.row(owner, "element", node.get("name"), value, occurs, node.get("default", ""))

    def row(self, owner, kind, name, value, occurs, default):
        self.rows.setdefault((owner, kind, name), (value, occurs, default))


def main(paths):
    rows = {}
    for since, path in enumerate(paths):
        for key, row in Schema(path).rows.items():
            old = rows.get(key)
            rows[key] = (*row, old[3] if old else str(since))
    print("# type\tkind\tname\tvalue\toccurs\tdefault\tsince   (written by extract.py, do not edit)")
    for key, row in rows.items():
        print("\t".join((*key, *row)))


if __name__ == "__main__":
    main(sys.argv[1:])
