// SPDX-License-Identifier: Apache-2.0
//! The rows about pages and large messages.

use bytes::Bytes;
use hind_engine::id::{LargeId, PageId};
use hind_engine::storage::request::{
    Completion, LargeCompletion, LargeRequest, PageCompletion, PageRequest, Request,
};

use super::{Case, Step, lists, stores, write};

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = page_cases();
    cases.extend(directory_cases());
    cases.extend(set_aside_cases());
    cases.extend(body_cases());
    cases.extend(failure_cases());
    cases
}

fn page(request: PageRequest, answer: PageCompletion) -> Step {
    Step::Ask(Request::Page(request), vec![Completion::Page(answer)])
}

fn body(request: LargeRequest, answer: LargeCompletion) -> Step {
    Step::Ask(Request::Large(request), vec![Completion::Large(answer)])
}

fn pages(numbers: &[u64]) -> Step {
    let pages = numbers.iter().copied().map(PageId).collect();
    page(PageRequest::List, PageCompletion::Pages(pages))
}

fn bodies(numbers: &[u64]) -> Step {
    let bodies = numbers.iter().copied().map(LargeId).collect();
    body(LargeRequest::List, LargeCompletion::Files(bodies))
}

fn append(number: u64, offset: u64, pieces: &[&'static [u8]]) -> PageRequest {
    PageRequest::Append {
        page: PageId(number),
        offset,
        pieces: pieces.iter().copied().map(Bytes::from_static).collect(),
    }
}

fn appends(number: u64, offset: u64, pieces: &[&'static [u8]]) -> Step {
    let length = pieces.iter().map(|piece| piece.len() as u64).sum();
    page(
        append(number, offset, pieces),
        PageCompletion::Appended(PageId(number), length),
    )
}

fn seals(number: u64) -> Step {
    page(
        PageRequest::Seal(PageId(number)),
        PageCompletion::Sealed(PageId(number)),
    )
}

fn read(number: u64, offset: u64, length: u32) -> PageRequest {
    PageRequest::Read {
        page: PageId(number),
        offset,
        length,
    }
}

fn reads(number: u64, offset: u64, length: u32, bytes: &'static [u8]) -> Step {
    page(
        read(number, offset, length),
        PageCompletion::Read {
            page: PageId(number),
            offset,
            bytes: Bytes::from_static(bytes),
        },
    )
}

fn unreadable(number: u64) -> Step {
    Step::Unreadable(Request::Page(read(number, 0, 10)))
}

fn deletes(number: u64) -> Step {
    Step::Ask(Request::Page(PageRequest::Delete(PageId(number))), vec![])
}

fn appends_body(number: u64, offset: u64, bytes: &'static [u8]) -> Step {
    body(
        LargeRequest::Append {
            body: LargeId(number),
            offset,
            bytes: Bytes::from_static(bytes),
        },
        LargeCompletion::Appended(LargeId(number), bytes.len() as u64),
    )
}

fn seals_body(number: u64) -> Step {
    body(
        LargeRequest::Seal(LargeId(number)),
        LargeCompletion::Sealed(LargeId(number)),
    )
}

fn read_body(number: u64, offset: u64, length: u32) -> LargeRequest {
    LargeRequest::Read {
        body: LargeId(number),
        offset,
        length,
    }
}

fn reads_body(number: u64, offset: u64, length: u32, bytes: &'static [u8]) -> Step {
    body(
        read_body(number, offset, length),
        LargeCompletion::Read {
            body: LargeId(number),
            offset,
            bytes: Bytes::from_static(bytes),
        },
    )
}

fn page_cases() -> Vec<Case> {
    vec![
        Case {
            title: "an empty disk → no pages, no large messages",
            steps: vec![pages(&[]), bodies(&[])],
        },
        Case {
            title: "a page appended to in portions → is read back joined, in parts, never beyond its end",
            steps: vec![
                appends(1, 0, &[b"head", b"", b"er"]),
                reads(1, 0, 100, b"header"),
                appends(1, 6, &[b"more"]),
                reads(1, 0, 100, b"headermore"),
                reads(1, 4, 4, b"ermo"),
                reads(1, 8, 4, b"re"),
                reads(1, 10, 4, b""),
                reads(1, 11, 4, b""),
            ],
        },
        Case {
            title: "a sealed page → is there after a restart",
            steps: vec![
                appends(1, 0, &[b"header"]),
                appends(1, 6, &[b"more"]),
                seals(1),
                reads(1, 0, 100, b"headermore"),
                Step::Restart,
                pages(&[1]),
                reads(1, 0, 100, b"headermore"),
            ],
        },
        Case {
            title: "two pages in turns → each has its own, and is sealed by itself",
            steps: vec![
                appends(1, 0, &[b"a"]),
                appends(2, 0, &[b"x"]),
                appends(1, 1, &[b"b"]),
                appends(2, 1, &[b"y"]),
                seals(2),
                appends(1, 2, &[b"c"]),
                seals(1),
                Step::Restart,
                reads(1, 0, 9, b"abc"),
                reads(2, 0, 9, b"xy"),
            ],
        },
        Case {
            title: "a page begun anew → nothing of what it held is left",
            steps: vec![
                appends(1, 0, &[b"old old old"]),
                appends(1, 0, &[b"new"]),
                reads(1, 0, 100, b"new"),
                seals(1),
                Step::Restart,
                reads(1, 0, 100, b"new"),
            ],
        },
        Case {
            title: "a page begun anew after a restart → holds what it is given then",
            steps: vec![
                appends(1, 0, &[b"unsealed, as long as you like"]),
                Step::Restart,
                appends(1, 0, &[b"new"]),
                seals(1),
                Step::Restart,
                reads(1, 0, 100, b"new"),
            ],
        },
    ]
}

/// What there is, and what is not any more.
fn directory_cases() -> Vec<Case> {
    vec![
        Case {
            title: "a deleted page → is gone; deleting what is not there does nothing",
            steps: vec![
                appends(1, 0, &[b"a"]),
                appends(2, 0, &[b"b"]),
                seals(1),
                seals(2),
                deletes(1),
                deletes(1),
                deletes(7),
                pages(&[2]),
                unreadable(1),
                reads(2, 0, 9, b"b"),
            ],
        },
        Case {
            title: "pages are listed by number, not by name",
            steps: vec![
                appends(10, 0, &[b"10"]),
                appends(9, 0, &[b"9"]),
                appends(100, 0, &[b"100"]),
                pages(&[9, 10, 100]),
            ],
        },
        Case {
            title: "pages and the journal → neither sees the other",
            steps: vec![
                appends(1, 0, &[b"page"]),
                stores(vec![write(2, 0, &[b"segment"])], true, 1),
                pages(&[1]),
                lists(&[2]),
                seals(1),
                Step::Restart,
                reads(1, 0, 9, b"page"),
                Step::Begins(2, b"segment"),
            ],
        },
    ]
}

fn set_aside_cases() -> Vec<Case> {
    vec![
        Case {
            title: "a page set aside → is still read and listed, and no longer deleted",
            steps: vec![
                appends(1, 0, &[b"damaged"]),
                seals(1),
                Step::SetsAside(1),
                reads(1, 0, 9, b"damaged"),
                deletes(1),
                reads(1, 3, 9, b"aged"),
                pages(&[1]),
                Step::SetsAside(1),
                Step::Restart,
                pages(&[1]),
                reads(1, 0, 9, b"damaged"),
            ],
        },
        Case {
            title: "a page without a file set aside → the answer has no name",
            steps: vec![page(
                PageRequest::SetAside(PageId(4)),
                PageCompletion::SetAside(PageId(4), String::new()),
            )],
        },
    ]
}

fn body_cases() -> Vec<Case> {
    vec![
        Case {
            title: "a body appended in portions → is read back in parts, also after a restart",
            steps: vec![
                appends_body(1, 0, b"first "),
                appends_body(1, 6, b"second"),
                reads_body(1, 3, 5, b"st se"),
                seals_body(1),
                Step::Restart,
                bodies(&[1]),
                reads_body(1, 6, 100, b"second"),
                reads_body(1, 12, 100, b""),
            ],
        },
        Case {
            title: "an upload abandoned → is gone",
            steps: vec![
                appends_body(1, 0, b"half"),
                Step::Ask(Request::Large(LargeRequest::Delete(LargeId(1))), vec![]),
                Step::Ask(Request::Large(LargeRequest::Delete(LargeId(1))), vec![]),
                bodies(&[]),
                Step::Unreadable(Request::Large(read_body(1, 0, 4))),
            ],
        },
        Case {
            title: "a page and a body of the same number → are two",
            steps: vec![
                appends(3, 0, &[b"page"]),
                appends_body(3, 0, b"body"),
                reads(3, 0, 9, b"page"),
                reads_body(3, 0, 9, b"body"),
                deletes(3),
                bodies(&[3]),
                reads_body(3, 0, 9, b"body"),
            ],
        },
        Case {
            title: "an empty body → is a file",
            steps: vec![
                appends_body(1, 0, b""),
                seals_body(1),
                Step::Restart,
                bodies(&[1]),
                reads_body(1, 0, 9, b""),
            ],
        },
    ]
}

fn failure_cases() -> Vec<Case> {
    vec![
        Case {
            title: "reading a page that does not exist → unreadable, and everything goes on",
            steps: vec![
                unreadable(4),
                appends(4, 0, &[b"now"]),
                reads(4, 0, 9, b"now"),
            ],
        },
        Case {
            title: "a page whose first write is not at its start → failed for good",
            steps: vec![Step::Fails(Request::Page(append(1, 100, &[b"x"])))],
        },
        Case {
            title: "an append that leaves a gap → failed for good",
            steps: vec![
                appends(1, 0, &[b"four"]),
                Step::Fails(Request::Page(append(1, 5, &[b"x"]))),
            ],
        },
        Case {
            title: "an append over what is there → failed for good",
            steps: vec![
                appends(1, 0, &[b"four"]),
                Step::Fails(Request::Page(append(1, 3, &[b"x"]))),
            ],
        },
        Case {
            title: "sealing what does not exist → failed for good; the next process works",
            steps: vec![
                Step::Fails(Request::Page(PageRequest::Seal(PageId(1)))),
                Step::Restart,
                appends(1, 0, &[b"kept"]),
                seals(1),
                Step::Fails(Request::Large(LargeRequest::Seal(LargeId(1)))),
                Step::Restart,
                reads(1, 0, 9, b"kept"),
            ],
        },
    ]
}
