// SPDX-License-Identifier: Apache-2.0
//! What `${name}` stands for in an instance's files: the JVM's system properties, without a JVM.

use crate::instance::{self, Instance};
use std::path::Path;

/// A name's value: a `-D` word of the profile, what the launcher would define, or an environment variable. Log4j's
/// prefixes `sys:` and `env:` are understood.
pub fn variable(instance: &Instance, name: &str) -> Option<String> {
    if let Some(name) = name.strip_prefix("env:") {
        return std::env::var(name).ok();
    }
    let name = name.strip_prefix("sys:").unwrap_or(name);
    let directory = || instance.directory.to_string_lossy().into_owned();
    instance
        .definitions
        .get(name)
        .map(str::to_owned)
        .or_else(|| match name {
            "artemis.instance" => Some(directory()),
            "artemis.instance.etc" => Some(instance.etc.to_string_lossy().into_owned()),
            "artemis.URI.instance" => Some(uri(&instance.directory)),
            "artemis.home" => Some(instance::home().to_string_lossy().into_owned()),
            "data.dir" => {
                Some(std::env::var("ARTEMIS_DATA_DIR").unwrap_or_else(|_| directory() + "/data"))
            }
            "java.io.tmpdir" => Some(directory() + "/tmp"),
            _ => std::env::var(name).ok(),
        })
}

/// A path as a `file:` address.
pub fn uri(path: &Path) -> String {
    let mut out = String::from("file:");
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'/'
            | b'-'
            | b'_'
            | b'.'
            | b'~'
            | b'+'
            | b','
            | b'@' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_an_address_that_reads_back() {
        assert_eq!(uri(Path::new("/a b/ü%")), "file:/a%20b/%C3%BC%25");
    }
}
