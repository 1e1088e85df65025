// SPDX-License-Identifier: Apache-2.0
//! The broker.xml of a new instance: elements, order and values as the Java tool's.

use super::plan::{AddressPlan, Cluster, HaPolicy, Plan, Routing};
use crate::template::{fill, xml};

pub fn broker_xml(plan: &Plan<'_>) -> String {
    let arguments = plan.arguments;
    let (journal, limits, acceptors) =
        (&arguments.journal, &arguments.limits, &arguments.acceptors);
    let truth = |value: bool| if value { "true" } else { "false" };
    let messages = limits
        .global_max_messages
        .map_or("-1".to_owned(), |count| count.to_string());
    let sync_timeout = plan.tuning.as_ref().map_or(String::new(), |tuning| {
        format!(
            "      <page-sync-timeout>{}</page-sync-timeout>\n",
            tuning.timeout
        )
    });
    fill(
        include_str!("../templates/broker.xml"),
        &[
            ("name", &xml(&plan.name)),
            ("persistence-enabled", truth(!journal.disable_persistence)),
            ("journal-type", plan.journal_type()),
            ("purge-page-folders", truth(limits.purge_page_folders)),
            ("data", &xml(&arguments.place.data)),
            ("retention", &retention(plan)),
            ("journal-datasync", truth(!journal.no_fsync)),
            (
                "journal-device-block-size",
                &journal.journal_device_block_size.to_string(),
            ),
            ("journal-tuning", &journal_tuning(plan)),
            ("network-check", &network_check(arguments.ping.as_deref())),
            ("connectors", &connectors(plan)),
            ("page-sync-timeout", &sync_timeout),
            (
                "global-max-size",
                &global_max_size(limits.global_max_size.as_deref()),
            ),
            ("global-max-messages", &messages),
            ("artemis-address", &address(plan, plan.ports.artemis)),
            ("support-advisory", truth(acceptors.support_advisory)),
            (
                "suppress-internal",
                truth(acceptors.suppress_internal_management_objects),
            ),
            ("acceptors", &other_acceptors(plan)),
            (
                "cluster",
                &plan
                    .cluster
                    .as_ref()
                    .map_or(String::new(), |cluster| cluster_xml(plan, cluster)),
            ),
            ("ha-policy", &ha_policy(plan)),
            ("role", &xml(&arguments.login.role)),
            (
                "address-full-policy",
                if limits.blocking { "BLOCK" } else { "PAGE" },
            ),
            ("auto-create", truth(!limits.no_autocreate)),
            ("auto-delete", truth(limits.autodelete)),
            (
                "addresses",
                &plan
                    .addresses
                    .iter()
                    .map(address_xml)
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
        ],
    )
}

/// A block of the file; the place it fills ends its last line.
fn section(template: &str, values: &[(&str, &str)]) -> String {
    let filled = fill(template, values);
    filled.strip_suffix('\n').unwrap_or(&filled).to_owned()
}

fn retention(plan: &Plan<'_>) -> String {
    let data = xml(&plan.arguments.place.data);
    let journal = &plan.arguments.journal;
    let Some(days) = journal.journal_retention.filter(|days| *days > 0) else {
        return section(
            include_str!("../templates/retention_off.xml"),
            &[("data", &data)],
        );
    };
    let limit = journal.journal_retention_max_bytes.as_ref();
    let limit = limit.map_or(String::new(), |limit| {
        format!(" storage-limit=\"{}\"", xml(limit))
    });
    let values = [
        ("data", data.as_str()),
        ("days", &days.to_string()),
        ("limit", &limit),
    ];
    section(include_str!("../templates/retention.xml"), &values)
}

fn journal_tuning(plan: &Plan<'_>) -> String {
    let Some(tuning) = &plan.tuning else {
        return String::new();
    };
    let depth = if plan.arguments.journal.aio {
        plan.arguments.journal.journal_max_io
    } else {
        1
    };
    let values = [
        ("rate", tuning.rate.as_str()),
        ("timeout", &tuning.timeout.to_string()),
        ("max-io", &depth.to_string()),
    ];
    section(include_str!("../templates/journal_tuning.xml"), &values)
}

fn network_check(ping: Option<&str>) -> String {
    match ping {
        Some(ping) => section(
            include_str!("../templates/network_check.xml"),
            &[("ping", &xml(ping))],
        ),
        None => section(include_str!("../templates/network_check_off.xml"), &[]),
    }
}

fn global_max_size(size: Option<&str>) -> String {
    match size {
        Some(size) => section(
            include_str!("../templates/global_max_size.xml"),
            &[("size", &xml(size))],
        ),
        None => section(include_str!("../templates/global_max_size_off.xml"), &[]),
    }
}

/// `host:port`, an IPv6 address in brackets.
fn address(plan: &Plan<'_>, port: u16) -> String {
    let host = xml(&plan.host);
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn other_acceptors(plan: &Plan<'_>) -> String {
    let ports = &plan.ports;
    let templates = [
        (include_str!("../templates/acceptor_amqp.xml"), ports.amqp),
        (include_str!("../templates/acceptor_stomp.xml"), ports.stomp),
        (
            include_str!("../templates/acceptor_hornetq.xml"),
            ports.hornetq,
        ),
        (include_str!("../templates/acceptor_mqtt.xml"), ports.mqtt),
    ];
    let wanted = templates
        .iter()
        .filter_map(|(template, port)| Some((template, (*port)?)));
    let all: String = wanted
        .map(|(template, port)| fill(template, &[("address", &address(plan, port))]))
        .collect();
    all.trim_end_matches('\n').to_owned()
}

fn connectors(plan: &Plan<'_>) -> String {
    let Some(cluster) = &plan.cluster else {
        return String::new();
    };
    let nodes: Vec<String> = cluster
        .nodes
        .iter()
        .enumerate()
        .map(|(index, node)| {
            format!(
                "         <connector name=\"node{index}\">{}</connector>",
                xml(node)
            )
        })
        .collect();
    let values = [
        ("address", address(plan, plan.ports.artemis)),
        ("nodes", nodes.join("\n")),
    ];
    section(
        include_str!("../templates/connectors.xml"),
        &values
            .each_ref()
            .map(|(name, value)| (*name, value.as_str())),
    )
}

fn cluster_xml(plan: &Plan<'_>, cluster: &Cluster) -> String {
    let (user, password) = (xml(&cluster.user), xml(&cluster.password));
    let hops = plan.arguments.cluster.max_hops.to_string();
    let mut values = vec![
        ("user", user.as_str()),
        ("password", &password),
        ("balancing", &plan.arguments.cluster.message_load_balancing),
        ("hops", &hops),
    ];
    if cluster.nodes.is_empty() {
        return section(include_str!("../templates/cluster_discovered.xml"), &values);
    }
    let nodes: Vec<String> = (0..cluster.nodes.len())
        .map(|index| format!("               <connector-ref>node{index}</connector-ref>"))
        .collect();
    let nodes = nodes.join("\n");
    values.push(("nodes", &nodes));
    section(include_str!("../templates/cluster_static.xml"), &values)
}

fn ha_policy(plan: &Plan<'_>) -> String {
    let Some(policy) = plan.ha_policy() else {
        return String::new();
    };
    let failover = plan.arguments.cluster.failover_on_shutdown;
    let shared = |role: &str| {
        format!(
            "            <{role}>\n               <failover-on-shutdown>{failover}</failover-on-shutdown>\n            </{role}>"
        )
    };
    let (element, role) = match policy {
        HaPolicy::ReplicationPrimary => (
            "replication",
            "            <primary>\n               <vote-on-replication-failure>true</vote-on-replication-failure>\n            </primary>".to_owned(),
        ),
        HaPolicy::ReplicationBackup => ("replication", "            <backup/>".to_owned()),
        HaPolicy::SharedStorePrimary => ("shared-store", shared("primary")),
        HaPolicy::SharedStoreBackup => ("shared-store", shared("backup")),
    };
    section(
        include_str!("../templates/ha_policy.xml"),
        &[("policy", element), ("role", &role)],
    )
}

fn address_xml(plan: &AddressPlan) -> String {
    let name = xml(&plan.name);
    let routing = match plan.routing {
        Routing::Anycast => "anycast",
        Routing::Multicast => "multicast",
    };
    let inside = if plan.queue {
        format!(
            "            <{routing}>\n               <queue name=\"{name}\" />\n            </{routing}>"
        )
    } else {
        format!("            <{routing}/>")
    };
    format!("         <address name=\"{name}\">\n{inside}\n         </address>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::plan::JournalTuning;
    use crate::create::tests::arguments;

    fn written(flags: &str) -> String {
        let arguments = arguments(flags);
        let mut plan = Plan::new(&arguments, "/i".into()).expect("valid");
        if !arguments.journal.no_autotune {
            plan.tuning = Some(JournalTuning {
                rate: "10".into(),
                timeout: 100_000,
            });
        }
        broker_xml(&plan)
    }

    /// Every row's flags write all of its parts.
    fn check(rows: &[(&str, &[&str])]) {
        for (flags, expected) in rows {
            let text = written(flags);
            for part in *expected {
                assert!(text.contains(part), "{flags}: no {part} in\n{text}");
            }
        }
    }

    #[test]
    fn flags_of_journal_and_limits_shape_the_file() {
        check(&[
            (
                "",
                &[
                    "<name>0.0.0.0</name>",
                    "<journal-type>NIO<",
                    "<journal-datasync>true<",
                    "<global-max-messages>-1<",
                    "<journal-buffer-timeout>100000<",
                    "<journal-max-io>1<",
                    "<page-sync-timeout>100000<",
                ],
            ),
            ("--name n&<m", &["<name>n&amp;&lt;m</name>"]),
            (
                "--host ::1",
                &[">tcp://[::1]:61616?", ">tcp://[::1]:61613?"],
            ),
            (
                "--no-fsync",
                &["<journal-type>MAPPED<", "<journal-datasync>false<"],
            ),
            (
                "--aio --journal-max-io 12",
                &["<journal-type>ASYNCIO<", "<journal-max-io>12<"],
            ),
            ("--disable-persistence", &["<persistence-enabled>false<"]),
            (
                "--purge-page-folders --journal-device-block-size 512",
                &[
                    "<purge-page-folders>true<",
                    "<journal-device-block-size>512<",
                ],
            ),
            (
                "--global-max-size 100M --global-max-messages 5",
                &[
                    "<global-max-size>100M</global-max-size>",
                    "<global-max-messages>5<",
                ],
            ),
            (
                "--no-autocreate --autodelete --blocking",
                &[
                    "<auto-create-queues>false<",
                    "<auto-delete-addresses>true<",
                    "<address-full-policy>BLOCK<",
                ],
            ),
            (
                "--support-advisory --suppress-internal-management-objects",
                &["supportAdvisory=true;suppressInternalManagementObjects=true<"],
            ),
            (
                "--data /d --journal-retention 10 --journal-retention-max-bytes 5G",
                &[
                    "<journal-directory>/d/journal<",
                    "\n      <journal-retention-directory period=\"10\" unit=\"DAYS\" storage-limit=\"5G\">/d/retention</journal-retention-directory>",
                ],
            ),
        ]);
    }

    #[test]
    fn flags_of_addresses_and_cluster_shape_the_file() {
        check(&[
            (
                "--queues q1,q2:multicast --addresses a1,a2:anycast",
                &[
                    "<address name=\"q1\">\n            <anycast>\n               <queue name=\"q1\" />",
                    "<multicast>\n               <queue name=\"q2\" />",
                    "<address name=\"a1\">\n            <multicast/>",
                    "<address name=\"a2\">\n            <anycast/>",
                ],
            ),
            (
                "--clustered",
                &[
                    "<connector name=\"artemis\">tcp://localhost:61616</connector>",
                    "<cluster-user>cluster-admin<",
                    "<group-address>231.7.7.7<",
                    "<discovery-group-ref discovery-group-name=\"dg-group1\"/>",
                ],
            ),
            (
                "--replicated --host h",
                &[
                    "<replication>\n            <primary>\n               <vote-on-replication-failure>true<",
                ],
            ),
            (
                "--replicated --backup --host h",
                &["<replication>\n            <backup/>"],
            ),
            (
                "--shared-store --slave --failover-on-shutdown --host h",
                &[
                    "<shared-store>\n            <backup>\n               <failover-on-shutdown>true<",
                ],
            ),
            (
                "--static-cluster tcp://h1:1,tcp://h2:2 --max-hops 2 --message-load-balancing OFF",
                &[
                    "<connector name=\"node1\">tcp://h2:2</connector>",
                    "<connector-ref>node1</connector-ref>\n            </static-connectors>",
                    "<max-hops>2<",
                    "<message-load-balancing>OFF<",
                ],
            ),
        ]);
    }

    /// The XML of the manual's chapter on network isolation.
    #[test]
    fn ping_writes_the_network_check() {
        let text = written("--ping 10.0.0.1");
        let document = roxmltree::Document::parse(&text).expect("well-formed");
        let found: Vec<(&str, &str)> = document
            .descendants()
            .filter(|node| node.tag_name().name().starts_with("network-check"))
            .map(|node| (node.tag_name().name(), node.text().unwrap_or_default()))
            .collect();
        let expected = [
            ("network-check-period", "10000"),
            ("network-check-timeout", "1000"),
            ("network-check-list", "10.0.0.1"),
            ("network-check-ping-command", "ping -c 1 -t %d %s"),
            ("network-check-ping6-command", "ping6 -c 1 %2$s"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn acceptors_that_are_not_wanted_are_not_written() {
        let text = written(
            "--no-amqp-acceptor --no-hornetq-acceptor --no-mqtt-acceptor --no-stomp-acceptor --no-autotune",
        );
        assert_eq!(text.matches("<acceptor ").count(), 1);
        assert!(!text.contains("journal-buffer-timeout") && !text.contains("page-sync-timeout"));
        assert_eq!(written("").matches("<acceptor ").count(), 5);
    }

    /// Comments aside, the sequence of elements is that of the Java tool.
    #[test]
    fn the_elements_stand_in_the_order_an_operator_knows() {
        let text = written(
            "--clustered --replicated --host h --ping 10.0.0.1 --journal-retention 7 --global-max-size 1G",
        );
        let document = roxmltree::Document::parse(&text).expect("well-formed");
        let core = document
            .descendants()
            .find(|node| node.tag_name().name() == "core")
            .expect("core");
        let names: Vec<&str> = core
            .children()
            .filter(roxmltree::Node::is_element)
            .map(|node| node.tag_name().name())
            .collect();
        let expected = "name persistence-enabled max-redelivery-records journal-type purge-page-folders paging-directory \
            bindings-directory journal-directory large-messages-directory journal-retention-directory journal-datasync \
            journal-min-files journal-pool-files journal-device-block-size journal-file-size journal-buffer-timeout \
            journal-max-io network-check-period network-check-timeout network-check-list network-check-ping-command \
            network-check-ping6-command connectors disk-scan-period max-disk-usage critical-analyzer \
            critical-analyzer-timeout critical-analyzer-check-period critical-analyzer-policy page-sync-timeout \
            global-max-size global-max-messages acceptors cluster-user cluster-password broadcast-groups \
            discovery-groups cluster-connections ha-policy security-settings address-settings addresses";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    }
}
