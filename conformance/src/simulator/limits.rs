// SPDX-License-Identifier: Apache-2.0
//! How little memory the broker of a run may use: drawn from the seed, so that most runs page all the time, and some not
//! at all.

use hind_engine::address::settings::{AddressFullPolicy, AddressSettingsOverrides, PageFullPolicy};

use super::model::{PlaceId, QUEUES, TOPIC};
use super::random::Random;

/// The queue whose address does not always page: its producers wait, are refused, or send in vain.
pub const PRESSED: PlaceId = PlaceId(1);
/// Where the sizes of messages end: body and headers of the largest one fit.
pub const MESSAGE_MAX: u64 = 90_000;

/// What one address may have in memory, and what becomes of more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// `address-full-policy`.
    pub policy: AddressFullPolicy,
    /// `max-size-messages`.
    pub messages: Option<u64>,
    /// `max-size-bytes`.
    pub bytes: Option<u64>,
    /// `page-size-bytes`.
    pub page_size: u64,
    /// `max-read-page-messages`.
    pub read_messages: Option<u64>,
    /// `max-read-page-bytes`.
    pub read_bytes: Option<u64>,
    /// `page-full-policy` with `page-limit-messages`.
    pub pages: Option<(PageFullPolicy, u64)>,
}

/// The limits of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Of every address that has none of its own.
    pub all: Limit,
    /// Of [`PRESSED`].
    pub pressed: Limit,
    /// Of [`TOPIC`].
    pub topic: Limit,
    /// `global-max-size`.
    pub global_bytes: Option<u64>,
}

impl Limits {
    /// Seeds from this one on have limits.
    pub const FIRST_SEED: u64 = 1_000_000;

    /// The limits of a seed. Drawn apart from everything else.
    pub fn of(seed: u64) -> Option<Self> {
        let mut random = Random::new(!seed);
        if !(Self::FIRST_SEED..super::mqtt::FIRST_SEED).contains(&seed) {
            return None;
        }
        let mut limits = Self {
            all: Limit::drawn(&mut random),
            pressed: Limit::drawn(&mut random),
            topic: Limit::drawn(&mut random),
            global_bytes: random.chance(25).then(|| random.between(20_000, 300_000)),
        };
        limits.pressed.policy = random.pick(&[
            AddressFullPolicy::Page,
            AddressFullPolicy::Page,
            AddressFullPolicy::Block,
            AddressFullPolicy::Fail,
            AddressFullPolicy::Drop,
        ]);
        if limits.pressed.policy != AddressFullPolicy::Page {
            limits.pressed.messages = Some(random.between(10, 80));
        }
        if random.chance(15) {
            let policy = random.pick(&[PageFullPolicy::Drop, PageFullPolicy::Fail]);
            limits.topic.pages = Some((policy, random.between(20, 200)));
        }
        Some(limits)
    }

    /// Whether the broker may say yes to a message sent there and forget it.
    pub fn forgets(&self, place: Option<PlaceId>) -> bool {
        let limit = self.at(place);
        limit.policy == AddressFullPolicy::Drop
            || limit
                .pages
                .is_some_and(|(policy, _)| policy == PageFullPolicy::Drop)
    }

    /// Whether the broker may refuse a message sent there.
    pub fn refuses(&self, place: Option<PlaceId>) -> bool {
        let limit = self.at(place);
        limit.policy == AddressFullPolicy::Fail
            || limit
                .pages
                .is_some_and(|(policy, _)| policy == PageFullPolicy::Fail)
    }

    /// Whether producers of [`PRESSED`] may have to wait: then they do not consume from it.
    pub fn blocks(&self) -> bool {
        self.pressed.policy == AddressFullPolicy::Block
    }

    fn at(&self, place: Option<PlaceId>) -> &Limit {
        match place {
            Some(PRESSED) => &self.pressed,
            Some(_) => &self.all,
            None => &self.topic,
        }
    }

    /// As address settings, by match.
    pub fn settings(&self) -> [(&'static str, AddressSettingsOverrides); 3] {
        [
            ("#", self.all.overrides()),
            (QUEUES[PRESSED.0], self.pressed.overrides()),
            (TOPIC, self.topic.overrides()),
        ]
    }
}

impl Limit {
    fn drawn(random: &mut Random) -> Self {
        let by_bytes = random.chance(40);
        Self {
            policy: AddressFullPolicy::Page,
            messages: (!by_bytes).then(|| random.between(3, 20)),
            bytes: by_bytes.then(|| random.between(2_000, 40_000)),
            page_size: random.between(2 * 1024, 16 * 1024),
            read_messages: random.chance(60).then(|| random.between(1, 20)),
            read_bytes: random.chance(60).then(|| random.between(500, 20_000)),
            pages: None,
        }
    }

    fn overrides(&self) -> AddressSettingsOverrides {
        AddressSettingsOverrides {
            address_full_policy: Some(self.policy),
            max_size_messages: self.messages.map(Some),
            max_size_bytes: self.bytes.map(Some),
            page_size_bytes: Some(self.page_size),
            max_read_page_messages: self.read_messages.map(Some),
            max_read_page_bytes: self.read_bytes.map(Some),
            page_full_policy: self.pages.map(|(policy, _)| Some(policy)),
            page_limit_messages: self.pages.map(|(_, messages)| Some(messages)),
            ..AddressSettingsOverrides::default()
        }
    }
}
