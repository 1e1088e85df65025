// SPDX-License-Identifier: Apache-2.0
//! SUBSCRIBE and UNSUBSCRIBE.

use hind_engine::address::routing_type::RoutingType;
use hind_engine::command::{
    Command, ConsumerCommand, ConsumerOpen, Credit, ResourceCommand, Subscription,
};
use hind_engine::event::{Event, Refusal};
use hind_engine::id::ConsumerId;
use hind_stomp::Options;

use crate::talk::{Talk, header, summary, text};

fn opened(headers: &str) -> ConsumerOpen {
    let mut talk = Talk::connected("1.2");
    talk.types(&format!("SUBSCRIBE\ndestination:q\nid:1\n{headers}\n^@"));
    talk.asked_open().1
}

fn refused(version: &str, frame: &str) -> String {
    let mut talk = Talk::connected(version);
    talk.types(frame);
    let error = talk.violated();
    summary(&error).replace("\\c", ":")
}

fn named(queue: &str) -> Subscription {
    Subscription::Named {
        queue: queue.into(),
        durable: true,
        shared: true,
    }
}

#[test]
fn artemis_defaults_of_a_subscription() {
    let open = opened("");
    assert_eq!(&*open.address, "q");
    assert_eq!(open.routing, None);
    assert_eq!(open.subscription, Subscription::Temporary);
    assert_eq!(open.selector, "");
    assert!(!open.no_local);
}

#[test]
fn artemis_headers_of_a_subscription() {
    let open = opened("selector:colour = 'red'\nsubscription-type:ANYCAST\nno-local:true\n");
    assert_eq!(open.selector, "colour = 'red'");
    assert_eq!(open.routing, Some(RoutingType::Anycast));
    assert!(open.no_local);
    assert!(opened("activemq.noLocal:true\n").no_local);
    assert!(!opened("no-local:false\n").no_local);
    assert_eq!(
        opened("subscription-type:MULTICAST\n").routing,
        Some(RoutingType::Multicast)
    );
}

#[test]
fn artemis_windows_in_bytes() {
    let credit = |headers: &str| opened(headers).credit;
    assert_eq!(credit("ack:client\n"), Credit::bytes(10_240));
    assert_eq!(credit("ack:client-individual\n"), Credit::bytes(10_240));
    assert_eq!(
        credit("ack:client\nconsumer-window-size:500\n"),
        Credit::bytes(500)
    );
    assert_eq!(
        credit("ack:client\nactivemq.prefetchSize:600\n"),
        Credit::bytes(600)
    );
    assert_eq!(
        credit("consumer-window-size:500\nactivemq.prefetchSize:600\n"),
        Credit::bytes(500)
    );
    assert_eq!(
        credit("ack:client\nconsumer-window-size:0\n"),
        Credit::messages(1)
    );
    let unlimited = Credit {
        messages: Credit::UNLIMITED,
        bytes: Credit::UNLIMITED,
    };
    assert_eq!(credit("ack:client\nconsumer-window-size:-1\n"), unlimited);
    assert_eq!(credit(""), Credit::bytes(256 * 1024));
    let options = Options::parse([("stompConsumerWindowSize", "77")]).expect("valid parameters");
    let mut talk = Talk::with(options).connect("accept-version:1.2\n");
    talk.types("SUBSCRIBE\ndestination:q\nid:1\nack:client\n\n^@");
    assert_eq!(talk.asked_open().1.credit, Credit::bytes(77));
}

#[test]
fn artemis_prefixes_of_a_subscription() {
    let options = Options::parse([("anycastPrefix", "/queue/"), ("multicastPrefix", "/topic/")])
        .expect("valid parameters");
    let mut talk = Talk::with(options).connect("accept-version:1.2\n");
    talk.types("SUBSCRIBE\ndestination:/queue/a\nid:1\n\n^@");
    let open = talk.asked_open().1;
    assert_eq!(
        (&*open.address, open.routing),
        ("a", Some(RoutingType::Anycast))
    );
    talk.types("SUBSCRIBE\ndestination:/topic/a\nid:2\nsubscription-type:ANYCAST\n\n^@");
    let open = talk.asked_open().1;
    assert_eq!(
        (&*open.address, open.routing),
        ("a", Some(RoutingType::Anycast))
    );
}

#[test]
fn artemis_durable_subscriptions_are_queues_of_client_id_and_name() {
    for headers in [
        "durable-subscription-name:n\n",
        "durable-subscriber-name:n\n",
        "activemq.subscriptionName:n\n",
        "durable-subscription-name:n\ndurable-subscriber-name:x\nactivemq.subscriptionName:y\n",
        "activemq.subscriptionName:y\ndurable-subscriber-name:n\n",
    ] {
        let mut talk = Talk::new().connect("accept-version:1.1\nhost:h\nclient-id:c\n");
        talk.types(&format!("SUBSCRIBE\ndestination:t\nid:1\n{headers}\n^@"));
        assert_eq!(talk.asked_open().1.subscription, named("c.n"), "{headers}");
    }
    let message = refused(
        "1.1",
        "SUBSCRIBE\ndestination:t\nid:1\ndurable-subscription-name:n\n\n^@",
    );
    assert!(message.starts_with("AMQ339027: "), "{message}");
}

#[test]
fn stomp_1_2_subscribe_needs_a_destination() {
    for version in ["1.0", "1.1", "1.2"] {
        assert!(refused(version, "SUBSCRIBE\nid:1\n\n^@").starts_with("AMQ339015: "));
    }
}

#[test]
fn artemis_subscribe_without_id_gets_one_of_its_destination() {
    for version in ["1.0", "1.1", "1.2"] {
        let mut talk = Talk::connected(version);
        let consumer = talk.subscribed("destination:q\n");
        talk.deliver(consumer, text(1, "x"));
        assert_eq!(header(&talk.said(), "subscription"), Some("subscription/q"));
    }
}

#[test]
fn stomp_1_2_different_subscriptions_need_different_ids() {
    for second in ["destination:r\nid:1\n", "destination:q\nid:1\n"] {
        let mut talk = Talk::connected("1.2");
        talk.subscribed("destination:q\nid:1\n");
        talk.types(&format!("SUBSCRIBE\n{second}receipt:r\n\n^@"));
        let error = talk.violated();
        assert!(summary(&error).starts_with("AMQ339016"), "{error}");
        assert_eq!(header(&error, "receipt-id"), Some("r"));
    }
}

#[test]
fn stomp_1_2_an_id_is_free_again_after_unsubscribe() {
    let mut talk = Talk::connected("1.2");
    let first = talk.subscribed("destination:q\nid:1\n");
    talk.types("UNSUBSCRIBE\nid:1\n\n^@");
    assert_eq!(
        talk.asked_one(),
        Command::Consumer(first, ConsumerCommand::Close(None))
    );
    assert_ne!(talk.subscribed("destination:q\nid:1\n"), first);
}

#[test]
fn stomp_1_2_ack_is_auto_client_or_client_individual() {
    for ack in ["", "ack:auto\n", "ack:client\n", "ack:client-individual\n"] {
        opened(ack);
    }
    for ack in ["ack:", "ack:Auto", "ack:individual", "ack:none"] {
        let message = refused(
            "1.2",
            &format!("SUBSCRIBE\ndestination:q\nid:1\n{ack}\n\n^@"),
        );
        assert!(
            message.starts_with("AMQ339023: Invalid STOMP frame: ack: "),
            "{message}"
        );
    }
}

#[test]
fn stomp_1_2_a_subscription_that_cannot_be_created_is_an_error_and_closes() {
    let mut talk = Talk::connected("1.2");
    talk.types("SUBSCRIBE\ndestination:q\nid:1\nselector:!\nreceipt:s\n\n^@");
    let ticket = talk.asked_open().1.ticket;
    talk.refuse(Some(ticket), Refusal::InvalidSelector("!".to_owned()));
    let error = talk.given_up();
    assert!(summary(&error).starts_with("AMQ339016\\c "), "{error}");
    assert_eq!(header(&error, "receipt-id"), Some("s"));
    for header in ["subscription-type:QUEUE", "consumer-window-size:big"] {
        refused(
            "1.2",
            &format!("SUBSCRIBE\ndestination:q\nid:1\n{header}\n\n^@"),
        );
    }
}

#[test]
fn artemis_the_receipt_of_subscribe_comes_before_the_first_message() {
    let mut talk = Talk::connected("1.2");
    talk.types("SUBSCRIBE\ndestination:q\nid:1\nreceipt:s\n\n^@");
    let (consumer, open) = talk.asked_open();
    assert_eq!(talk.said(), "");
    talk.done(Some(open.ticket));
    talk.deliver(consumer, text(1, "x"));
    let said = talk.said();
    assert!(
        said.starts_with("RECEIPT\nreceipt-id:s\n\n^@\nMESSAGE\n"),
        "{said}"
    );
}

#[test]
fn stomp_1_2_unsubscribe_by_id_ends_the_messages() {
    let mut talk = Talk::connected("1.2");
    let consumer = talk.subscribed("destination:q\nid:1\n");
    talk.types("UNSUBSCRIBE\nid:1\nreceipt:u\n\n^@");
    let Command::Consumer(closed, ConsumerCommand::Close(ticket)) = talk.asked_one() else {
        panic!("expected a close");
    };
    assert_eq!(closed, consumer);
    // What the engine had already on its way.
    talk.deliver(consumer, text(1, "late"));
    assert_eq!(talk.said(), "");
    assert!(talk.asked().is_empty());
    talk.done(ticket);
    assert_eq!(talk.said(), "RECEIPT\nreceipt-id:u\n\n^@\n");
}

#[test]
fn stomp_1_0_unsubscribe_by_destination() {
    for subscribe in ["destination:q\n", "destination:q\nid:7\n"] {
        let mut talk = Talk::connected("1.0");
        let consumer = talk.subscribed(subscribe);
        talk.types("UNSUBSCRIBE\ndestination:q\n\n^@");
        assert_eq!(
            talk.asked_one(),
            Command::Consumer(consumer, ConsumerCommand::Close(None))
        );
    }
}

#[test]
fn artemis_unsubscribe_by_durable_name_deletes_the_subscription() {
    for by in [
        "id:1\ndurable-subscription-name:n\n",
        "durable-subscriber-name:n\n",
    ] {
        let mut talk = Talk::new().connect("accept-version:1.1\nhost:h\nclient-id:c\n");
        let consumer = talk.subscribed("destination:t\nid:1\ndurable-subscription-name:n\n");
        talk.types(&format!("UNSUBSCRIBE\n{by}receipt:u\n\n^@"));
        let mut commands = talk.asked();
        let Some(Command::Resource(_, ResourceCommand::DeleteQueue { queue }, ticket)) =
            commands.pop()
        else {
            panic!("expected a deletion");
        };
        assert_eq!(&*queue, "c.n");
        assert_eq!(
            commands,
            [Command::Consumer(consumer, ConsumerCommand::Close(None))]
        );
        talk.done(Some(ticket));
        assert_eq!(talk.said(), "RECEIPT\nreceipt-id:u\n\n^@\n");
    }
}

#[test]
fn artemis_a_durable_subscription_of_an_earlier_connection_can_be_deleted() {
    let mut talk = Talk::new().connect("accept-version:1.1\nhost:h\nclient-id:c\n");
    talk.types("UNSUBSCRIBE\ndurable-subscription-name:n\n\n^@");
    let Command::Resource(_, ResourceCommand::DeleteQueue { queue }, ticket) = talk.asked_one()
    else {
        panic!("expected a deletion");
    };
    talk.refuse(Some(ticket), Refusal::QueueMissing(queue));
    assert!(summary(&talk.given_up()).contains("c.n"));
}

#[test]
fn stomp_1_2_unsubscribe_must_name_an_open_subscription() {
    assert!(refused("1.0", "UNSUBSCRIBE\n\n^@").starts_with("AMQ339035: "));
    assert!(refused("1.1", "UNSUBSCRIBE\n\n^@").starts_with("AMQ339037: "));
    assert!(refused("1.2", "UNSUBSCRIBE\n\n^@").starts_with("AMQ339037: "));
    assert!(refused("1.2", "UNSUBSCRIBE\nid:9\n\n^@").starts_with("AMQ339017: "));
    assert!(refused("1.0", "UNSUBSCRIBE\ndestination:q\n\n^@").starts_with("AMQ339017: "));
    assert!(
        refused("1.1", "UNSUBSCRIBE\ndurable-subscription-name:n\n\n^@").starts_with("AMQ339027: ")
    );
}

#[test]
fn a_consumer_whose_queue_is_deleted_is_an_error_and_closes() {
    let mut talk = Talk::connected("1.2");
    talk.tell(Event::Detached(
        ConsumerId(9),
        Refusal::QueueMissing("q".into()),
    ));
    assert!(talk.is_open());
    let consumer = talk.subscribed("destination:q\nid:1\n");
    talk.tell(Event::Detached(consumer, Refusal::QueueMissing("q".into())));
    assert!(summary(&talk.given_up()).starts_with("AMQ229017"));
}
