// SPDX-License-Identifier: Apache-2.0
//! What broker.xml says of limits of memory, pages and disk, and what becomes of it.

use hind_config::{ConfigError, Loaded, load};
use hind_engine::address::settings::{
    AddressFullPolicy, AddressSettings, DiskFullPolicy, PageFullPolicy,
};

fn read(text: &str) -> Result<Loaded, Vec<ConfigError>> {
    load("broker.xml", &mut |_| Ok(text.to_owned()), &|_| None)
}

/// `<core>` with `inside` in it.
fn core(inside: &str) -> String {
    format!(
        "<configuration>\n<core xmlns=\"urn:activemq:core\">\n{inside}\n</core></configuration>"
    )
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
fn limits_of_an_address_reach_the_engine() {
    let wide = read(include_str!("data/wide.xml")).expect("wide.xml is valid");
    let node = wide.settings.node();
    let settings = AddressSettings::merged(node.engine.address_settings.all("any"));
    assert_eq!(settings.address_full_policy, AddressFullPolicy::Block);
    assert_eq!(
        (settings.max_size_bytes, settings.max_size_messages),
        (Some(64 << 20), Some(700))
    );
    assert_eq!(settings.max_size_bytes_reject_threshold, Some(80 << 20));
    assert_eq!(settings.page_size_bytes, 1 << 20);
    assert_eq!(
        (
            settings.max_read_page_bytes,
            settings.max_read_page_messages
        ),
        (Some(3 << 20), Some(900))
    );
    assert_eq!(
        (
            settings.prefetch_page_bytes,
            settings.prefetch_page_messages
        ),
        (Some(2 << 20), Some(800))
    );
    assert_eq!(
        (settings.page_limit_bytes, settings.page_limit_messages),
        (Some(30 << 20), Some(40_000))
    );
    assert_eq!(settings.page_full_policy, Some(PageFullPolicy::Drop));
    assert_eq!(settings.disk_full_policy, Some(DiskFullPolicy::Fail));
    assert_eq!(
        (
            node.engine.global_max_bytes,
            node.engine.global_max_messages
        ),
        (None, Some(5000)),
        "a share of the memory is left to who knows the memory"
    );
}

#[test]
fn a_global_size_that_is_written_reaches_the_engine_in_bytes() {
    for (text, bytes) in [
        ("100Mb", Some(100 << 20)),
        ("5 GiB", Some(5 << 30)),
        ("7", Some(7)),
        ("-1", None),
    ] {
        let inside = format!("<global-max-size>{text}</global-max-size>");
        let settings = read(&core(&inside)).expect("valid").settings;
        assert_eq!(settings.node().engine.global_max_bytes, bytes, "{text}");
    }
    let zero = read(&core("<global-max-size>0</global-max-size>"));
    assert_eq!(
        zero.expect_err("no message at all is no limit that is meant")
            .len(),
        1
    );
}

#[test]
fn limits_that_contradict_or_miss_each_other_are_said() {
    let setting = |inside: &str| {
        format!(
            "<address-settings><address-setting match=\"a.#\">{inside}</address-setting></address-settings>"
        )
    };
    let table = [
        (
            "<min-disk-free>1G</min-disk-free><max-disk-usage>80</max-disk-usage>".to_owned(),
            "Info broker.xml:3: AMQ224130: The min-disk-free value 1G will override the max-disk-usage value 80 since \
             both are set.",
        ),
        (
            setting("<page-full-policy>DROP</page-full-policy>"),
            "Warn broker.xml:3: AMQ224124: Address a.# has page-full-policy=DROP but neither page-limit-bytes nor \
             page-limit-messages are set. Page full configuration being ignored on this address.",
        ),
        (
            setting("<page-limit-messages>5</page-limit-messages>"),
            "Warn broker.xml:3: AMQ224125: Address a.# has page-limit-bytes=null and page-limit-messages=5 but no \
             page-full-policy set. Page full configuration being ignored on this address",
        ),
    ];
    for (inside, line) in table {
        assert_eq!(notes(&inside), [line]);
    }
    let both =
        "<page-full-policy>DROP</page-full-policy><page-limit-messages>5</page-limit-messages>";
    assert_eq!(notes(&setting(both)), Vec::<String>::new());
}
