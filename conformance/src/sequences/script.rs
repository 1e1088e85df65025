// SPDX-License-Identifier: Apache-2.0
//! The files of sequences: groups of tests, each a list of messages; a test's own keys override its group's.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::payload;

/// One sequence, ready to be played.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// The file it stands in, without its ending.
    pub file: String,
    /// Group and test, which together are the client's id, too.
    pub name: String,
    /// 3 (3.1), 4 (3.1.1) or 5, for the CONNECT that opens it.
    pub version: u8,
    /// Whether it is opened by a CONNECT that is not among its steps.
    pub connect: bool,
    /// Whether the broker closes the connection in the end; else it must be alive.
    pub closes: bool,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that a sequence does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Bytes written to the broker.
    Send(Vec<u8>),
    /// A packet that the broker must send.
    Receive(Vec<u8>),
    /// A message published by a second client, an MQTT 3.1.1 one; done when its exchange is.
    Publish {
        /// Where to.
        topic: String,
        /// 0, 1 or 2.
        qos: u8,
        /// The body.
        payload: String,
        /// Whether it is to be kept.
        retain: bool,
    },
}

#[derive(Deserialize)]
struct Group {
    group: String,
    ver: Option<u8>,
    connect: Option<bool>,
    expect_disconnect: Option<bool>,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    name: String,
    ver: Option<u8>,
    connect: Option<bool>,
    expect_disconnect: Option<bool>,
    msgs: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message {
    Send {
        payload: String,
    },
    Recv {
        payload: String,
    },
    #[serde(alias = "publish")]
    ExternalPublish {
        topic: String,
        qos: u8,
        payload: String,
        #[serde(default)]
        retain: bool,
    },
}

/// Every sequence of a folder, in the order of its files' names.
///
/// # Errors
/// What cannot be read, with the file's name.
pub fn folder(folder: &Path) -> Result<Vec<Sequence>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let mut sequences = Vec::new();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&path).map_err(|error| error.to_string());
        let read = text.and_then(|text| file(&name, &text));
        sequences.extend(read.map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(sequences)
}

/// Every sequence of one file's text.
///
/// # Errors
/// What is not of the form, or a payload that is none.
pub fn file(name: &str, text: &str) -> Result<Vec<Sequence>, String> {
    let groups: Vec<Group> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut sequences = Vec::new();
    for group in &groups {
        for test in &group.tests {
            sequences.push(sequence(name, group, test)?);
        }
    }
    Ok(sequences)
}

fn sequence(file: &str, group: &Group, test: &Test) -> Result<Sequence, String> {
    let name = format!("{} {}", group.group, test.name);
    let mut steps = Vec::new();
    for message in &test.msgs {
        append(message, &mut steps).map_err(|token| format!("{name}: `{token}` is no token"))?;
    }
    Ok(Sequence {
        file: file.to_owned(),
        version: test.ver.or(group.ver).unwrap_or(4),
        connect: test.connect.or(group.connect).unwrap_or(true),
        closes: test
            .expect_disconnect
            .or(group.expect_disconnect)
            .unwrap_or(true),
        name,
        steps,
    })
}

fn append(message: &Message, steps: &mut Vec<Step>) -> Result<(), String> {
    match message {
        Message::Send { payload } => steps.push(Step::Send(payload::bytes(payload)?)),
        Message::Recv { payload } => {
            let mut bytes = payload::bytes(payload)?;
            while let Some(packet) = super::wire::split(&mut bytes) {
                steps.push(Step::Receive(packet));
            }
            if !bytes.is_empty() {
                return Err(payload.clone());
            }
        }
        Message::ExternalPublish {
            topic,
            qos,
            payload,
            retain,
        } => steps.push(Step::Publish {
            topic: topic.clone(),
            qos: *qos,
            payload: payload.clone(),
            retain: *retain,
        }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_overrides_its_group() {
        let text = r#"[{"group": "G", "ver": 5, "connect": false, "tests": [
            {"name": "a", "msgs": [{"type": "recv", "payload": "D0 r0 40 r2 m1", "comment": "two"}]},
            {"name": "b", "ver": 3, "connect": true, "expect_disconnect": false, "msgs": [
                {"type": "external_publish", "topic": "t", "qos": 1, "payload": "x"}]}]}]"#;
        let read = file("F", text).expect("two tests");
        assert_eq!(
            (read[0].version, read[0].connect, read[0].closes),
            (5, false, true)
        );
        assert_eq!(
            (read[1].version, read[1].connect, read[1].closes),
            (3, true, false)
        );
        assert_eq!(read[0].steps.len(), 2);
        assert_eq!(read[1].name, "G b");
    }

    #[test]
    fn a_half_packet_is_not_expected() {
        let text = r#"[{"group": "G", "tests": [{"name": "a", "msgs": [{"type": "recv", "payload": "40 r2 00"}]}]}]"#;
        assert!(file("F", text).is_err());
    }
}
