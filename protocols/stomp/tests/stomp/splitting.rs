// SPDX-License-Identifier: Apache-2.0
//! However the network cuts a conversation into pieces, the same is said and asked.

use std::collections::BTreeMap;

use hind_engine::command::{Command, ConsumerCommand};
use hind_engine::id::ConsumerId;

use crate::fuzz::Random;
use crate::talk::{Talk, text};

/// Everything a conversation comes to.
#[derive(PartialEq, Debug)]
struct Outcome {
    said: Vec<u8>,
    asked: String,
    /// Given to each consumer in all: one read may give it at once or in parts.
    credit: BTreeMap<ConsumerId, (i64, i64)>,
    close: String,
}

fn outcome(version: &str, octets: &[u8], mut piece: impl FnMut() -> usize) -> Outcome {
    let mut talk = Talk::connected(version);
    let consumer = talk.subscribed("destination:q\nid:0\nack:client\n");
    for n in 1..=4 {
        talk.deliver(consumer, text(n, "x"));
    }
    let mut rest = octets;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
        talk.sends(now);
        rest = later;
    }
    let mut credit = BTreeMap::new();
    let mut asked = talk.asked();
    asked.retain(|command| match command {
        Command::Consumer(consumer, ConsumerCommand::Credit(given)) => {
            let sum: &mut (i64, i64) = credit.entry(*consumer).or_default();
            *sum = (sum.0 + given.messages, sum.1 + given.bytes);
            false
        }
        _ => true,
    });
    Outcome {
        said: talk.said_octets(),
        asked: format!("{asked:?}"),
        credit,
        close: format!("{:?} {:?}", talk.close, talk.violation),
    }
}

fn conversations() -> Vec<Vec<u8>> {
    let large = "x".repeat(20_000);
    [
        "\r\n\nSEND\r\ndestination:q\r\nfoo:a\\cb\r\nreceipt:1\r\n\r\nhello^@\r\n\nBEGIN\ntransaction:t\nreceipt:b\n\n^@",
        "SEND\ndestination:q\ncontent-length:6\n\na^@b^@^@c^@SUBSCRIBE\nid:2\ndestination:r\nack:auto\n\n^@UNSUBSCRIBE\nid:2\n\n^@",
        "ACK\nid:1,2\nmessage-id:1,2\nsubscription:0\n\n^@ACK\nid:1,4\nmessage-id:1,4\nsubscription:0\n\n^@DISCONNECT\n\n^@SEND\n",
        "SEND\ndestination:q\ngrüße:ß✓\n\nü^@SEND\ndestination:q\nbad\n\n^@SEND\ndestination:q\n\n^@",
        "SEND\ndestination:q\ncontent-length:3\n\nhello^@",
        "SEND\ndestination:q\nh:\\x\n\n^@",
        "BEGIN\ntransaction:t\n\n^@SEND\ndestination:q\ntransaction:t\n\n1^@COMMIT\ntransaction:t\n\n^@ABORT\ntransaction:t\nreceipt:x\n\n^@",
        "\r\rSEND\n",
        "NONSENSE-THAT-IS-LONG\n\n^@",
        &format!("SEND\ndestination:q\n\n{large}^@SEND\ndestination:q\ncontent-length:20000\n\n{large}^@\nSEND\ndestination:r\n\n^@"),
    ]
    .iter()
    .map(|text| text.replace("^@", "\0").into_bytes())
    .collect()
}

#[test]
fn every_single_cut_gives_the_same_outcome() {
    for version in ["1.0", "1.1", "1.2"] {
        for octets in conversations().iter().filter(|octets| octets.len() < 1000) {
            let whole = outcome(version, octets, || octets.len());
            for cut in 1..octets.len() {
                let mut pieces = [cut, octets.len()].into_iter();
                let parts = outcome(version, octets, || pieces.next().expect("two pieces"));
                assert_eq!(
                    parts,
                    whole,
                    "{version}, cut at {cut}: {:?}",
                    String::from_utf8_lossy(octets)
                );
            }
        }
    }
}

#[test]
fn octet_by_octet_gives_the_same_outcome() {
    for version in ["1.0", "1.1", "1.2"] {
        for octets in conversations() {
            let whole = outcome(version, &octets, || octets.len());
            assert_eq!(
                outcome(version, &octets, || 1),
                whole,
                "{}",
                String::from_utf8_lossy(&octets)
            );
        }
    }
}

#[test]
fn random_pieces_give_the_same_outcome() {
    let mut random = Random::new(7);
    for octets in conversations() {
        let whole = outcome("1.2", &octets, || octets.len());
        for _ in 0..50 {
            let most = 1 + random.below(100);
            let parts = outcome("1.2", &octets, || 1 + random.below(most));
            assert_eq!(parts, whole);
        }
    }
}
