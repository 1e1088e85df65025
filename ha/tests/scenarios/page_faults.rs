// SPDX-License-Identifier: Apache-2.0
//! Pages that cannot be read: for a moment, in part, or not at all.

use hind_engine::notice::Notice;

use crate::paging::*;

#[test]
fn a_page_that_cannot_be_read_is_named_and_kept_and_the_rest_is_delivered() {
    let mut broker = paging();
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..60);
    let page = *broker.pages.keys().nth(1).expect("several pages");
    let file = broker.pages.get_mut(&page).expect("there");
    let middle = file.len() / 2;
    file[middle] ^= 1;
    broker.told(1);
    broker.consume(1, 1, "q", routing("q"));
    let got = broker.drain(1, 1);
    assert_eq!(got.len(), 59);
    assert!(got.iter().all(|body| bodies(0..60).contains(body)));
    assert_eq!(broker.aside, [page]);
    let damaged: Vec<_> = broker
        .noticed()
        .into_iter()
        .filter(|notice| matches!(notice, Notice::PageDamaged { lost: 1, .. }))
        .collect();
    assert_eq!(damaged.len(), 1);
    assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
}

#[test]
fn a_page_whose_file_is_gone_is_named_and_the_rest_is_delivered() {
    let mut broker = paging();
    broker.connect(1, "a");
    broker.send_many(1, "q", 0..60);
    let page = *broker.pages.keys().nth(1).expect("several pages");
    broker.pages.remove(&page);
    broker.crash_and_restart();
    broker.connect(1, "a");
    broker.consume(1, 1, "q", routing("q"));
    let mut got = broker.drain(1, 1);
    for _ in 0..5 {
        broker.pass(4_000);
        got.extend(broker.drain(1, 1));
    }
    assert!(got.len() > 30 && got.len() < 60, "{}", got.len());
    assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
    let damaged = |notice: &Notice| matches!(notice, Notice::PageDamaged { .. });
    assert_eq!(broker.noticed().iter().filter(|it| damaged(it)).count(), 1);
}

#[test]
fn a_page_that_cannot_be_read_for_a_moment_is_read_again_and_nothing_is_lost() {
    for failures in 1..=5 {
        let mut broker = paging();
        broker.connect(1, "a");
        broker.connect(2, "a");
        broker.send_many(1, "q", 0..60);
        broker.send_many(1, "other", 0..60);
        broker.told(1);
        broker.failing_reads = failures;
        broker.consume(1, 1, "q", routing("q"));
        let mut got = broker.drain(1, 1);
        assert_eq!(got, bodies(0..3), "{failures}");
        broker.failing_reads = 0;
        broker.consume(2, 1, "other", routing("other"));
        assert_eq!(broker.drain(2, 1), bodies(0..60), "others go on");
        for (failed, pause) in (1..).zip([50, 250, 1_000, 4_000]) {
            assert_eq!(broker.drain(1, 1), [""; 0], "{failures}");
            broker.failing_reads = u32::from(failed < failures);
            broker.pass(pause);
            if failed == failures {
                break;
            }
        }
        got.extend(broker.drain(1, 1));
        let notices = broker.noticed();
        let said = |is: fn(&&Notice) -> bool| notices.iter().filter(is).count();
        let failed = said(|notice| matches!(notice, Notice::PageReadFailed { .. }));
        assert_eq!(failed, 1, "{failures}");
        let lost = said(|notice| matches!(notice, Notice::PageDamaged { .. }));
        if failures < 5 {
            assert_eq!((got, lost), (bodies(0..60), 0));
            assert!(broker.aside.is_empty());
        } else {
            assert!(got.len() < 60 && got.len() > 30, "{}", got.len());
            assert_eq!((lost, broker.aside.len()), (1, 1));
        }
        assert_eq!((broker.count("q"), broker.pages_left()), (0, 0));
    }
}
