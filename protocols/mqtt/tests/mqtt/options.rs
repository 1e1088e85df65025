// SPDX-License-Identifier: Apache-2.0
//! Acceptor parameters.

use hind_mqtt::Options;

#[test]
fn artemis_parameters_have_its_defaults() {
    let options = Options::parse([("tcpNoDelay", "true")]).expect("not ours");
    assert_eq!(options.default_session_expiry_s, u32::MAX);
    assert_eq!(options.topic_alias_maximum, 65_535);
    assert_eq!(options.receive_maximum, Some(65_535));
    assert_eq!(options.maximum_packet_size, Some(268_435_455));
    assert_eq!(options.server_keep_alive, Some(60));
    assert_eq!(options.default_in_flight_maximum, 65_535);
    assert!(options.close_on_publish_authorization_failure && options.allow_link_stealing);
}

#[test]
fn artemis_parameters_are_read() {
    let options = Options::parse([
        ("defaultMqttSessionExpiryInterval", "0"),
        ("topicAliasMaximum", "-1"),
        ("receiveMaximum", "-1"),
        ("maximumPacketSize", "-1"),
        ("serverKeepAlive", "-1"),
        ("closeMqttConnectionOnPublishAuthorizationFailure", "false"),
        ("allowLinkStealing", "FALSE"),
        ("defaultMaximumInFlightPublishMessages", "10"),
        ("anycastPrefix", "a/, b/"),
        ("multicastPrefix", ""),
    ])
    .expect("valid parameters");
    assert_eq!(options.default_session_expiry_s, 0);
    assert_eq!(options.topic_alias_maximum, 0);
    assert_eq!(options.receive_maximum, None);
    assert_eq!(options.maximum_packet_size, None);
    assert_eq!(options.server_keep_alive, None);
    assert_eq!(options.default_in_flight_maximum, 10);
    assert!(!options.close_on_publish_authorization_failure && !options.allow_link_stealing);
    assert_eq!(options.anycast_prefixes.len(), 2);
    assert!(options.multicast_prefixes.is_empty());
}

#[test]
fn values_that_make_no_sense_are_named() {
    for (key, value) in [
        ("defaultMqttSessionExpiryInterval", "soon"),
        ("defaultMqttSessionExpiryInterval", "-2"),
        ("topicAliasMaximum", "65536"),
        ("receiveMaximum", "0"),
        ("maximumPacketSize", "63"),
        ("maximumPacketSize", "268435461"),
        ("serverKeepAlive", "-2"),
        ("closeMqttConnectionOnPublishAuthorizationFailure", "yes"),
        ("defaultMaximumInFlightPublishMessages", "0"),
    ] {
        let bad = Options::parse([(key, value)]).expect_err("makes no sense");
        assert_eq!((&*bad.key, &*bad.value), (key, value));
        assert!(Options::KEYS.contains(&key));
    }
}
