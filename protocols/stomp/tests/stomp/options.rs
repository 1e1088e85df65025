// SPDX-License-Identifier: Apache-2.0
//! Acceptor parameters.

use std::time::Duration;

use hind_stomp::Options;

fn parse(key: &str, value: &str) -> Options {
    Options::parse([(key, value)]).expect("valid parameters")
}

#[test]
fn artemis_defaults() {
    let options = Options::parse([]).expect("valid parameters");
    assert_eq!(options, Options::default());
    assert_eq!(options.consumer_window_bytes, 10_240);
    assert_eq!(options.large_message_bytes_min, Some(102_400));
    assert!(!options.message_id_enabled && !options.server_header_disabled);
    assert_eq!(options.connection_ttl, Some(Duration::from_secs(60)));
    assert_eq!(options.connection_ttl_min, Duration::from_secs(1));
    assert_eq!(options.heart_beat_to_ttl_thousandths, 2000);
}

#[test]
fn artemis_every_parameter_and_its_old_spelling() {
    for key in ["stompConsumerWindowSize", "stompConsumerCredits"] {
        assert_eq!(parse(key, "-1").consumer_window_bytes, -1);
    }
    for key in ["stompMinLargeMessageSize", "stomp-min-large-message-size"] {
        assert_eq!(parse(key, "5").large_message_bytes_min, Some(5));
        assert_eq!(parse(key, "0").large_message_bytes_min, Some(0));
        assert_eq!(parse(key, "-1").large_message_bytes_min, None);
    }
    for key in ["stompEnableMessageId", "stomp-enable-message-id"] {
        assert!(parse(key, "TRUE").message_id_enabled);
    }
    assert!(parse("disableStompServerHeader", "true").server_header_disabled);
    assert_eq!(
        parse("connectionTtl", "5").connection_ttl,
        Some(Duration::from_millis(5))
    );
    assert_eq!(
        parse("connectionTtlMin", "5").connection_ttl_min,
        Duration::from_millis(5)
    );
    assert_eq!(
        parse("connectionTtlMax", "5000").connection_ttl_max,
        Duration::from_secs(5)
    );
    assert_eq!(
        parse("heartBeatToConnectionTtlModifier", "2.25").heart_beat_to_ttl_thousandths,
        2250
    );
    assert_eq!(
        parse("heartBeatToConnectionTtlModifier", "3").heart_beat_to_ttl_thousandths,
        3000
    );
    let prefixes = parse("anycastPrefix", "a., b.").anycast_prefixes;
    assert_eq!(
        prefixes.iter().map(|prefix| &**prefix).collect::<Vec<_>>(),
        ["a.", "b."]
    );
    assert_eq!(parse("multicastPrefix", "t.").multicast_prefixes.len(), 1);
}

#[test]
fn keys_of_the_transport_are_passed_over() {
    assert_eq!(parse("protocols", "STOMP"), Options::default());
    assert_eq!(parse("useEpoll", "true"), Options::default());
}

#[test]
fn every_key_that_is_listed_means_something() {
    for key in Options::KEYS {
        let changed = ["7", "5000", "true", "3.5"]
            .into_iter()
            .filter_map(|value| Options::parse([(key, value)]).ok())
            .any(|options| options != Options::default());
        assert!(changed, "{key}");
    }
}

#[test]
fn a_bad_value_is_an_error_that_names_its_key() {
    for (key, value) in [
        ("stompConsumerWindowSize", "big"),
        ("stompMinLargeMessageSize", "1k"),
        ("stompEnableMessageId", "yes"),
        ("connectionTtl", "0"),
        ("connectionTtl", "-1"),
        ("connectionTtlMin", "1s"),
        ("heartBeatToConnectionTtlModifier", "0.5"),
        ("heartBeatToConnectionTtlModifier", "NaN"),
        ("heartBeatToConnectionTtlModifier", "2,0"),
        ("heartBeatToConnectionTtlModifier", "1e3"),
        ("disableStompServerHeader", ""),
    ] {
        let error =
            Options::parse([("anycastPrefix", "q."), (key, value)]).expect_err("it makes no sense");
        assert_eq!((error.key.as_str(), error.value.as_str()), (key, value));
        assert!(error.to_string().contains(key));
    }
    let error = Options::parse([("connectionTtlMin", "10"), ("connectionTtlMax", "5")])
        .expect_err("it makes no sense");
    assert_eq!(error.key, "connectionTtlMin");
}
