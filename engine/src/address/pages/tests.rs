// SPDX-License-Identifier: Apache-2.0
//! Pages as the log tells of them.

use super::*;
use crate::id::MessageId;
use crate::message::Kind;
use bytes::Bytes;
use smallvec::smallvec;

fn paged(index: u32) -> PagedRecord {
    let mut message = Message::new("a".into(), Kind::Text, Bytes::from_static(b"body"));
    message.id = MessageId(100 + u64::from(index));
    let route = Route {
        queue: QueueId(2),
        count: 0,
        scheduled: 0,
    };
    let place = PagePlace {
        page: PageId(9),
        index,
    };
    PagedRecord {
        place,
        address: AddressId(1),
        message: MessageRecord {
            message: Arc::new(message),
            routes: smallvec![route],
        },
    }
}

#[test]
fn a_page_is_known_whole_when_only_its_last_messages_are_left_in_the_log() {
    let (mut written, mut live) = (Pages::default(), Liveness::default());
    (0..10).for_each(|index| written.apply_paged(&paged(index)));
    let place = paged(1).place;
    assert!(written.acknowledge(QueueId(2), place, &mut live));
    let record = written.record(PageId(9), |_| true).expect("a page");
    written.apply_page(&record, &mut live);
    for first in 0..=10 {
        let mut read = Pages::default();
        (first..10).for_each(|index| read.apply_paged(&paged(index)));
        read.acknowledge(QueueId(2), place, &mut live);
        read.apply_page(&record, &mut live);
        read.check();
        assert_eq!(
            read.record(PageId(9), |_| true),
            written.record(PageId(9), |_| true),
            "read from message {first} on"
        );
        let left = |pages: &Pages| pages.of(AddressId(1)).map(|of| of.left);
        assert_eq!(left(&read), left(&written));
    }
}
