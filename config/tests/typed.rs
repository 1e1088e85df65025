// SPDX-License-Identifier: Apache-2.0
//! A broker.xml that uses every element that acts, and what becomes of each.

use std::collections::BTreeSet;
use std::time::Duration;

use hind_config::acceptors::Protocol;
use hind_config::core::CriticalAnalyzerPolicy;
use hind_config::journal::JournalType;
use hind_config::paging::GlobalMaxSize;
use hind_config::{ConfigError, Loaded, Origin, Settings, load};
use hind_engine::address::routing_type::RoutingType;
use hind_engine::address::settings::{AddressSettings, Factor};
use hind_engine::security::permissions::Permission;

const WIDE: &str = include_str!("data/wide.xml");

fn read(text: &str) -> Result<Loaded, Vec<ConfigError>> {
    load("broker.xml", &mut |_| Ok(text.to_owned()), &|_| None)
}

fn wide() -> Settings {
    let loaded = read(WIDE).expect("wide.xml is valid");
    assert!(
        loaded
            .notes
            .iter()
            .all(|note| note.text.contains("has no effect") || note.text.contains("override")),
        "{:?}",
        loaded.notes
    );
    loaded.settings
}

/// `<core>` with `inside` in it.
fn core(inside: &str) -> String {
    format!(
        "<configuration>\n<core xmlns=\"urn:activemq:core\">\n{inside}\n</core></configuration>"
    )
}

fn errors(inside: &str) -> Vec<String> {
    read(&core(inside))
        .err()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn notes(inside: &str) -> Vec<String> {
    let loaded = read(&core(inside)).expect("valid");
    loaded
        .notes
        .iter()
        .map(|note| format!("{:?} {note}", note.level))
        .collect()
}

#[test]
fn names_paths_and_flags() {
    let settings = wide();
    assert_eq!(settings.name, "wide");
    assert!(settings.persistence_enabled);
    assert_eq!(settings.paths.bindings, "b");
    assert_eq!(settings.paths.journal, "j");
    assert_eq!(settings.paths.large_messages, "l");
    assert_eq!(settings.paths.paging, "p");
    assert!(settings.paths.create_bindings && !settings.paths.create_journal);
    assert!(settings.graceful_shutdown.enabled);
    assert_eq!(
        settings.graceful_shutdown.timeout,
        Some(Duration::from_secs(15))
    );
    assert_eq!(
        (
            settings.management.requests.as_str(),
            settings.management.notifications.as_str()
        ),
        ("mgmt", "notes")
    );
    assert_eq!(settings.literal_match_markers, Some(('(', ')')));
    let wildcards = settings.wildcards;
    assert_eq!(
        (
            wildcards.delimiter,
            wildcards.any_words,
            wildcards.single_word
        ),
        ('/', '#', '+')
    );
    assert!(!wildcards.routing_enabled);
}

#[test]
fn journal_ids_and_limits() {
    let settings = wide();
    let journal = &settings.journal;
    assert_eq!(journal.kind, JournalType::Mapped);
    assert_eq!(
        (journal.file_size, journal.min_files, journal.pool_files),
        (2 << 20, 3, None)
    );
    assert!(journal.datasync && journal.sync_transactional && !journal.sync_non_transactional);
    assert_eq!(
        (journal.buffer_size, journal.buffer_timeout),
        (600 << 10, Duration::from_micros(250))
    );
    assert_eq!(
        (journal.compact_percentage, journal.compact_min_files),
        (40, 0)
    );
    assert_eq!(
        (settings.ids.id_cache_size, settings.ids.persist_id_cache),
        (3000, false)
    );
    assert_eq!(settings.ids.max_redelivery_records, None);
    assert!(settings.ids.persist_delivery_count_before_delivery);
    assert_eq!(
        (
            settings.limits.max_disk_usage,
            settings.limits.min_disk_free
        ),
        (Some(80), Some(1 << 30))
    );
    assert_eq!(
        settings.limits.disk_scan_period,
        Some(Duration::from_secs(2))
    );
    assert_eq!(
        (
            settings.limits.global_max_size,
            settings.limits.global_max_messages
        ),
        (GlobalMaxSize::PercentOfMemory(25), Some(5000))
    );
}

#[test]
fn periods_and_the_analyser() {
    let settings = wide();
    let periods = &settings.periods;
    assert_eq!(periods.message_expiry_scan, None);
    assert_eq!(periods.address_queue_scan, Some(Duration::from_secs(1)));
    assert_eq!(periods.transaction_timeout, Duration::from_secs(60));
    assert_eq!(periods.transaction_timeout_scan, Duration::from_millis(500));
    assert_eq!(
        periods.connection_ttl_override,
        Some(Duration::from_secs(30))
    );
    assert_eq!(periods.connection_ttl_check, Duration::from_millis(1500));
    let analyzer = &settings.critical_analyzer;
    assert!(!analyzer.enabled);
    assert_eq!(
        analyzer.check_period,
        Duration::from_millis(4500),
        "0 means half the time-out"
    );
    assert_eq!(analyzer.policy, CriticalAnalyzerPolicy::Shutdown);
}

#[test]
fn acceptors_with_both_separators() {
    let settings = wide();
    let [all, stomp] = &settings.acceptors[..] else {
        panic!("two acceptors")
    };
    assert_eq!((all.name.as_str(), all.port), ("all", 61616));
    assert_eq!(all.hosts, ["localhost", "::1"]);
    assert_eq!(all.protocols, [Protocol::Stomp, Protocol::Amqp]);
    assert_eq!(all.connections_allowed, Some(100));
    assert_eq!(all.handshake_timeout, Some(Duration::from_secs(5)));
    assert!(!all.tcp_no_delay && !all.ssl_enabled && all.auto_start);
    assert_eq!(
        (all.tcp_send_buffer_size, all.tcp_receive_buffer_size),
        (Some(4096), None)
    );
    assert_eq!(all.connection_ttl, Some(Duration::from_secs(20)));
    assert_eq!(stomp.anycast_prefixes, ["queue.", "jms.queue."]);
    assert_eq!(stomp.multicast_prefixes, ["topic."]);
    assert_eq!((stomp.backlog, stomp.auto_start), (Some(7), false));
    let credit = stomp
        .parameters
        .iter()
        .find(|parameter| parameter.name == "stompConsumerWindowSize");
    assert_eq!(
        credit.map(|credit| (credit.value.as_str(), credit.position.line)),
        Some(("2048", 97))
    );
}

#[test]
fn addresses_and_queues() {
    let settings = wide();
    let names: Vec<&str> = settings
        .addresses
        .iter()
        .map(|address| address.name.as_str())
        .collect();
    assert_eq!(names, ["orders", "news", "both"]);
    assert_eq!(
        settings.addresses[2].routing_types,
        BTreeSet::from([RoutingType::Anycast, RoutingType::Multicast])
    );
    let orders = &settings.addresses[0].queues[0];
    assert_eq!(
        orders.filter.as_deref(),
        Some("region = 'north' AND weight > 10")
    );
    assert_eq!(
        (orders.max_consumers, orders.purge_on_no_consumers),
        (Some(Some(5)), true)
    );
    assert_eq!(orders.user.as_deref(), Some("alice"));
    assert_eq!(settings.addresses[0].queues[1].max_consumers, Some(None));
    assert!(!settings.addresses[1].queues[0].durable);
}

#[test]
fn permissions_apply_role_mappings_and_old_names() {
    let security = wide().security;
    assert_eq!(
        (
            security.authentication_cache_size,
            security.authorization_cache_size
        ),
        (50, 60)
    );
    assert_eq!(security.invalidation_interval, Duration::from_secs(20));
    assert!(security.enabled && security.populate_validated_user);
    let [(everywhere, general), (orders, special)] = &security.matches[..] else {
        panic!("two matches")
    };
    assert_eq!((everywhere.as_str(), orders.as_str()), ("#", "orders"));
    let roles = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        *general.roles(Permission::Send),
        roles(&["amq", "guest", "cn=admins"])
    );
    assert_eq!(
        *special.roles(Permission::CreateNonDurableQueue),
        roles(&["ops", "cn=admins"])
    );
    assert!(
        special.roles(Permission::Consume).is_empty(),
        "the more specific match does not inherit"
    );
}

#[test]
fn address_settings_reach_the_engine_merged() {
    let node = wide().node();
    let settings = AddressSettings::merged(node.engine.address_settings.all("orders/*"));
    assert_eq!(settings.dead_letter_address.as_deref(), Some("DLQ"));
    assert_eq!(
        (
            settings.expiry_address.as_deref(),
            settings.max_delivery_attempts
        ),
        (None, None)
    );
    assert_eq!(
        settings.redelivery_delay_multiplier,
        Factor::from_millionths(1_500_000)
    );
    assert_eq!(settings.max_redelivery_delay, Duration::from_secs(1));
    assert_eq!(settings.dead_letter_queue_prefix, "D.");
    assert_eq!(settings.auto_delete_queues_message_count, None);
    assert_eq!(settings.default_queue_routing_type, RoutingType::Anycast);
    assert_eq!(settings.id_cache_size, Some(9));
    let elsewhere = AddressSettings::merged(node.engine.address_settings.all("orders/a"));
    assert_eq!(
        elsewhere.dead_letter_queue_prefix, "DLQ.",
        "between markers a match is taken letter by letter"
    );
    assert_eq!(
        elsewhere.max_redelivery_delay,
        Duration::from_secs(1),
        "ten times the delay"
    );
}

#[test]
fn the_node_is_told_the_same() {
    let node = wide().node();
    assert_eq!(
        (node.journal.file_size, node.journal.pool_files),
        (2 << 20, -1)
    );
    assert!(
        node.journal.persistence && node.journal.datasync && !node.engine.sync_non_transactional
    );
    assert_eq!(
        node.engine.addresses[0].queues[0].options.max_consumers,
        Some(5)
    );
    assert_eq!(
        node.engine.addresses[1].queues[0].options.max_consumers,
        None
    );
    assert!(node.engine.security_enabled);
    assert_eq!(node.engine.transaction_timeout, Duration::from_secs(60));
}

#[test]
fn every_value_in_force_names_its_origin() {
    let settings = wide();
    let find = |name: &str| {
        settings
            .effective()
            .iter()
            .find(|value| value.name == name)
            .map(|value| (value.value.clone(), value.origin.to_string()))
    };
    assert_eq!(
        find("journal-type"),
        Some(("MAPPED".to_owned(), "broker.xml:66".to_owned()))
    );
    assert_eq!(
        find("global-max-size"),
        Some(("-1".to_owned(), "default".to_owned()))
    );
    assert_eq!(
        find("acceptors[all]/connectionsAllowed"),
        Some(("100".to_owned(), "broker.xml:96".to_owned()))
    );
    assert_eq!(
        find("addresses[orders]/ANYCAST[orders]/user"),
        Some(("alice".to_owned(), "broker.xml:11".to_owned()))
    );
    let written = settings
        .effective()
        .iter()
        .filter(|value| value.origin != Origin::Default)
        .count();
    assert!(written > 100, "{written}");
}

#[test]
fn nothing_written_means_the_defaults_of_the_code() {
    let settings = read(&core("")).expect("valid").settings;
    assert_eq!(settings.name, "localhost");
    assert_eq!(settings.journal.kind, JournalType::Asyncio);
    assert_eq!(settings.journal.buffer_timeout, Duration::from_micros(500));
    assert_eq!(settings.ids.max_redelivery_records, Some(10));
    assert_eq!(settings.paths.large_messages, "data/largemessages");
    assert!(settings.security.enabled && settings.acceptors.is_empty());
}

#[test]
fn all_errors_come_at_once_and_read_as_one_line_each() {
    let inside = "<journal-typ>NIO</journal-typ>\n<journal-min-files>two</journal-min-files>\n<name>a</name>\n<name>b</name>\n\
        <acceptors><acceptor name=\"a\">tcp://0.0.0.0:1?protocol=STMP;tcpNodelay=true</acceptor></acceptors>\n\
        <journal-type>nio</journal-type>\n<max-disk-usage>101</max-disk-usage>";
    assert_eq!(
        errors(inside),
        [
            "broker.xml:3:1: unknown element <journal-typ>: did you mean <journal-type>?",
            "broker.xml:4:20: \"two\" is no value of <journal-min-files>; expected a whole number of 32 bits not below 1",
            "broker.xml:6:1: a second <name>; the first stands in line 5; expected at most one",
            "broker.xml:7:47: \"STMP\" is no protocol; expected one of CORE, AMQP, STOMP, HORNETQ, MQTT, OPENWIRE: did you mean STOMP?",
            "broker.xml:7:61: unknown parameter tcpNodelay: did you mean tcpNoDelay?",
            "broker.xml:8:15: \"nio\" is no value of <journal-type>; expected one of ASYNCIO, NIO, MAPPED: did you mean NIO?",
            "broker.xml:9:17: \"101\" is no value of <max-disk-usage>; expected a whole number of 32 bits from 0 to 100, or -1",
        ]
    );
}

#[test]
fn what_would_weaken_the_operators_meaning_refuses_to_start() {
    let refused = [
        "<ha-policy><replication><primary/></replication></ha-policy>",
        "<ha-policy><shared-store><slave/></shared-store></ha-policy>",
        "<lock-coordinators><lock-coordinator name=\"a\"><class-name>c</class-name></lock-coordinator></lock-coordinators>",
        "<network-check-list>10.0.0.1</network-check-list>",
        "<network-check-URL-list>http://10.0.0.1</network-check-URL-list>",
        "<network-check-NIC>eth0</network-check-NIC>",
        "<journal-retention-directory>r</journal-retention-directory>",
        "<resource-limit-settings><resource-limit-setting match=\"u\"/></resource-limit-settings>",
        "<management-message-rbac>true</management-message-rbac>",
        "<reject-empty-validated-user>true</reject-empty-validated-user>",
        "<remoting-incoming-interceptors><class-name>c</class-name></remoting-incoming-interceptors>",
        "<store><database-store/></store>",
        "<diverts/>",
        "<broker-connections><amqp-connection uri=\"tcp://h:1\" name=\"m\"><mirror/></amqp-connection></broker-connections>",
        "<security-settings><security-setting-plugin class-name=\"c\"/></security-settings>",
        "<broker-plugins><broker-plugin class-name=\"org.example.Mine\"/></broker-plugins>",
        "<broker-plugins><broker-plugin class-name=\"org.apache.activemq.artemis.core.server.plugin.impl.BrokerMessageAuthorizationPlugin\"/></broker-plugins>",
        "<acceptors><acceptor name=\"a\">tcp://h:1?needClientAuth=true</acceptor></acceptors>",
        "<acceptors><acceptor name=\"a\">tcp://h:1?securityDomain=other</acceptor></acceptors>",
        "<acceptors><acceptor name=\"a\" lock-coordinator=\"c\">tcp://h:1</acceptor></acceptors>",
        "<password-codec>org.example.Codec</password-codec>",
    ];
    for inside in refused {
        let errors = errors(inside);
        assert!(
            !errors.is_empty()
                && errors
                    .iter()
                    .all(|error| error.starts_with("broker.xml:3:")),
            "{inside}: {errors:?}"
        );
    }
}

#[test]
fn what_is_harmless_starts_without_a_word() {
    let harmless = [
        "<ha-policy><live-only/></ha-policy>",
        "<ha-policy/>",
        "<network-check-list></network-check-list>",
        "<management-message-rbac>false</management-message-rbac>",
        "<acceptors><acceptor name=\"a\">tcp://h:1?needClientAuth=false</acceptor></acceptors>",
        "<address-settings><address-setting match=\"#\"><page-size-bytes>10M</page-size-bytes></address-setting></address-settings>",
    ];
    for inside in harmless {
        assert_eq!(notes(inside), Vec::<String>::new(), "{inside}");
    }
}

#[test]
fn what_has_no_effect_is_said_with_its_line() {
    let acceptor = "<acceptors><acceptor name=\"a\">tcp://h:1?sslEnabled=true;useEpoll=true</acceptor></acceptors>";
    assert_eq!(
        notes(acceptor),
        [
            "Info broker.xml:3: useEpoll has no meaning without a JVM",
            "Warn broker.xml:3: TLS is not built yet: acceptor a stays closed",
        ]
    );
    assert_eq!(
        notes(
            "<bridges><bridge name=\"b\"><queue-name>q</queue-name></bridge></bridges>\n<jmx-domain>d</jmx-domain>"
        ),
        [
            "Warn broker.xml:3: <bridges> is not built yet and has no effect",
            "Info broker.xml:4: <jmx-domain> has no meaning without a JVM",
        ]
    );
}

#[test]
fn what_is_not_built_is_checked_all_the_same() {
    assert_eq!(
        errors("<bridges><bridge name=\"b\"><queue-nam>q</queue-nam></bridge></bridges>"),
        ["broker.xml:3:27: unknown element <queue-nam>: did you mean <queue-name>?",]
    );
    let primary = "<vote-retries>x</vote-retries><isolation-policy>safest</isolation-policy><witness>w</witness>";
    let policy =
        format!("<ha-policy><replication><primary>{primary}</primary></replication></ha-policy>");
    let errors = errors(&policy);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(
        errors[2].contains("expected one of safe, safe-standby, available: did you mean safe?"),
        "{errors:?}"
    );
}

#[test]
fn both_vocabularies_of_roles_are_known() {
    for (active, passive) in [("primary", "backup"), ("master", "slave")] {
        for role in [active, passive] {
            let inside = format!(
                "<ha-policy><replication><{role}><group-name>g</group-name></{role}></replication></ha-policy>"
            );
            let errors = errors(&inside);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(
                errors[0].contains("<replication> is not built yet"),
                "{errors:?}"
            );
        }
    }
}

#[test]
fn masked_passwords_must_unmask() {
    let acceptor = |password: &str| {
        format!(
            "<acceptors><acceptor name=\"a\">tcp://h:1?keyStorePassword={password}</acceptor></acceptors>"
        )
    };
    assert_eq!(
        errors(&acceptor("ENC(-41e444c3ed07d6dd)")),
        Vec::<String>::new()
    );
    assert_eq!(errors(&acceptor("ENC(zz)")).len(), 1);
    let other = format!(
        "<password-codec>org.apache.activemq.artemis.utils.DefaultSensitiveStringCodec;key=other</password-codec>\n{}",
        acceptor("ENC(-41e444c3ed07d6dd)")
    );
    let errors = errors(&other);
    assert_eq!(
        errors,
        [
            "broker.xml:4:41: the value of keyStorePassword cannot be unmasked: the masked password was made with another key"
        ]
    );
}

#[test]
fn clashes_are_found() {
    let table = [
        (
            "<acceptors><acceptor name=\"a\">tcp://h:1?connectionTtlMin=9;connectionTtlMax=8</acceptor></acceptors>",
            "expected at most connectionTtlMax",
        ),
        (
            "<acceptors><acceptor name=\"a\">tcp://0.0.0.0:1</acceptor><acceptor name=\"a\">tcp://h:2</acceptor></acceptors>",
            "a second acceptor a",
        ),
        (
            "<acceptors><acceptor name=\"a\">tcp://0.0.0.0:1</acceptor><acceptor name=\"b\">tcp://h:1</acceptor></acceptors>",
            "acceptor b wants port 1 that acceptor a has",
        ),
        (
            "<addresses><address name=\"a\"><anycast><queue name=\"q\"/></anycast></address><address name=\"b\"><anycast><queue name=\"q\"/></anycast></address></addresses>",
            "a second queue q",
        ),
        (
            "<addresses><address name=\"a\"/></addresses>",
            "address a has no routing type",
        ),
        (
            "<addresses><address name=\"a\"><anycast><queue name=\"q\"><filter string=\"a &gt;\"/></queue></anycast></address></addresses>",
            "is no selector",
        ),
        (
            "<address-settings><address-setting match=\"a.#.b\"/></address-settings>",
            "is not the last character",
        ),
        (
            "<wildcard-addresses><delimiter>#</delimiter></wildcard-addresses>",
            "are not all different",
        ),
        (
            "<security-settings><security-setting match=\"#\"><permission type=\"sent\" roles=\"a\"/></security-setting></security-settings>",
            "\"sent\" is no permission",
        ),
    ];
    for (inside, expected) in table {
        let errors = errors(inside);
        assert_eq!(errors.len(), 1, "{inside}: {errors:?}");
        assert!(errors[0].contains(expected), "{errors:?}");
    }
}

#[test]
fn the_older_queues_element_still_deploys() {
    let inside =
        "<queues><queue name=\"q\"><address>a</address></queue><queue name=\"p\"/></queues>";
    let addresses = read(&core(inside)).expect("valid").settings.addresses;
    let found: Vec<_> = addresses
        .iter()
        .map(|address| {
            (
                address.name.as_str(),
                address.queues[0].name.as_str(),
                address.queues[0].routing_type,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("a", "q", RoutingType::Multicast),
            ("p", "p", RoutingType::Multicast)
        ]
    );
}

#[test]
fn included_files_count_as_written_there_and_errors_name_them() {
    let outer = "<configuration xmlns:xi=\"http://www.w3.org/2001/XInclude\"><core xmlns=\"urn:activemq:core\">\n\
        <name>${broker.name:b}</name><xi:include href=\"parts/addresses.xml\"/></core></configuration>";
    let good = "<addresses xmlns=\"urn:activemq:core\">\n<address name=\"a\"><anycast/></address></addresses>";
    let bad = good.replace("anycast", "anycst");
    let load_with = |part: &str| {
        let mut read = |file: &str| match file {
            "etc/broker.xml" => Ok(outer.to_owned()),
            "etc/parts/addresses.xml" => Ok(part.to_owned()),
            other => Err(format!("{other} was not expected")),
        };
        load("etc/broker.xml", &mut read, &|name| {
            (name == "broker.name").then(|| "mine".to_owned())
        })
    };
    let settings = load_with(good).expect("valid").settings;
    assert_eq!(
        (settings.name.as_str(), settings.addresses[0].name.as_str()),
        ("mine", "a")
    );
    let origin = settings
        .effective()
        .iter()
        .find(|value| value.name == "addresses[a]")
        .map(|value| value.origin.to_string());
    assert_eq!(origin.as_deref(), Some("etc/parts/addresses.xml:2"));
    let errors: Vec<String> = load_with(&bad)
        .expect_err("misspelt")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        errors,
        ["etc/parts/addresses.xml:2:19: unknown element <anycst>: did you mean <anycast>?"]
    );
    let missing = load(
        "etc/broker.xml",
        &mut |_| Err("no such file".to_owned()),
        &|_| None,
    )
    .expect_err("nothing to read");
    assert_eq!(
        missing[0].to_string(),
        "etc/broker.xml:1:1: cannot read etc/broker.xml: no such file"
    );
}
