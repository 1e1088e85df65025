// SPDX-License-Identifier: Apache-2.0
//! What every disk promises the storage, as a table; run against the real disk here and the simulated one in
//! `conformance`.

mod bulk;

use bytes::Bytes;
use hind_engine::id::PageId;
use hind_engine::storage::Position;
use hind_engine::storage::request::{
    Batch, Completion, LargeCompletion, PageCompletion, PageRequest, Request, Segment, Write,
};

use super::bulk::is_bulk;

/// A disk under test.
pub trait Subject {
    /// Carries out one request.
    fn execute(&mut self, request: Request) -> Vec<Completion>;
    /// The process dies and another one opens the same disk. What was not synced may or may not be there.
    fn restart(&mut self);
}

/// One promise: a title and the steps that show it.
#[derive(Debug)]
pub struct Case {
    /// Situation → outcome.
    pub title: &'static str,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    /// This request is answered exactly so.
    Ask(Request, Vec<Completion>),
    /// The segment's content begins with these bytes.
    Begins(u64, &'static [u8]),
    /// The segment's content has these bytes at this place.
    Holds(u64, usize, &'static [u8]),
    /// This request fails, and so does everything after it on the same side (the journal's, or that of pages and large
    /// messages), silently.
    Fails(Request),
    /// This request to read is answered so that the file cannot be read.
    Unreadable(Request),
    /// The page is set aside, and the answer says under which name.
    SetsAside(u64),
    /// The process dies and comes back.
    Restart,
}

/// Runs every case on a fresh disk. Returns what was broken, one line each.
pub fn violations(mut fresh: impl FnMut(&Case) -> Box<dyn Subject>) -> Vec<String> {
    let mut broken = Vec::new();
    for case in cases() {
        let mut subject = fresh(&case);
        for (number, step) in case.steps.iter().enumerate() {
            if let Err(what) = step.run(&mut *subject) {
                broken.push(format!("{}, step {}: {what}", case.title, number + 1));
                break;
            }
        }
    }
    broken
}

impl Step {
    fn run(&self, subject: &mut dyn Subject) -> Result<(), String> {
        match self {
            Self::Ask(request, expected) => {
                let answer = subject.execute(request.clone());
                expect(answer == *expected, || {
                    format!("{request:?} answered {answer:?}")
                })
            }
            Self::Begins(segment, bytes) => holds(subject, *segment, 0, bytes),
            Self::Holds(segment, at, bytes) => holds(subject, *segment, *at, bytes),
            Self::Fails(request) => fails(subject, request),
            Self::Unreadable(request) => {
                let answer = subject.execute(request.clone());
                let unreadable = matches!(
                    answer[..],
                    [Completion::Page(PageCompletion::Unreadable { .. })
                        | Completion::Large(LargeCompletion::Unreadable { .. })]
                );
                expect(unreadable, || format!("{request:?} answered {answer:?}"))
            }
            Self::SetsAside(number) => {
                let answer = subject.execute(Request::Page(PageRequest::SetAside(PageId(*number))));
                let named = matches!(
                    &answer[..],
                    [Completion::Page(PageCompletion::SetAside(page, name))]
                        if page.0 == *number && !name.is_empty()
                );
                expect(named, || format!("page {number} set aside: {answer:?}"))
            }
            Self::Restart => {
                subject.restart();
                Ok(())
            }
        }
    }
}

fn fails(subject: &mut dyn Subject, request: &Request) -> Result<(), String> {
    let answer = subject.execute(request.clone());
    expect(matches!(answer[..], [Completion::Failed(_)]), || {
        format!("{request:?} answered {answer:?}")
    })?;
    let after = subject.execute(if is_bulk(request) {
        Request::Page(PageRequest::List)
    } else {
        Request::ListSegments
    });
    expect(after.is_empty(), || {
        format!("after a failure a list was answered: {after:?}")
    })
}

fn holds(subject: &mut dyn Subject, segment: u64, at: usize, bytes: &[u8]) -> Result<(), String> {
    let answer = subject.execute(Request::ReadSegment(Segment(segment)));
    let [Completion::Segment(number, content)] = &answer[..] else {
        return Err(format!("reading segment {segment} answered {answer:?}"));
    };
    let found = content.get(at..at + bytes.len());
    expect(*number == Segment(segment) && found == Some(bytes), || {
        format!("segment {segment} has {found:?} at {at}, not {bytes:?}")
    })
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn write(segment: u64, offset: u64, pieces: &[&'static [u8]]) -> Write {
    Write {
        segment: Segment(segment),
        offset,
        pieces: pieces.iter().copied().map(Bytes::from_static).collect(),
    }
}

fn batch(writes: Vec<Write>, sync: bool, end: u64) -> Request {
    Request::Batch(Batch {
        writes,
        sync,
        end: Position(end),
    })
}

/// A batch that is stored.
fn stores(writes: Vec<Write>, sync: bool, end: u64) -> Step {
    Step::Ask(
        batch(writes, sync, end),
        vec![Completion::Stored(Position(end))],
    )
}

fn lists(segments: &[u64]) -> Step {
    Step::Ask(
        Request::ListSegments,
        vec![Completion::Segments(
            segments.iter().copied().map(Segment).collect(),
        )],
    )
}

fn state(expected: Option<&'static [u8]>) -> Step {
    Step::Ask(
        Request::ReadState,
        vec![Completion::State(expected.map(Bytes::from_static))],
    )
}

fn writes_state(bytes: &'static [u8]) -> Step {
    Step::Ask(
        Request::WriteState(Bytes::from_static(bytes)),
        vec![Completion::StateWritten],
    )
}

fn cases() -> Vec<Case> {
    let mut cases = state_cases();
    cases.extend(segment_cases());
    cases.extend(failure_cases());
    cases.extend(bulk::cases());
    cases
}

fn state_cases() -> Vec<Case> {
    vec![
        Case {
            title: "an empty disk → no state, no segments, a sync has nothing to do",
            steps: vec![
                state(None),
                lists(&[]),
                Step::Ask(Request::SyncAll, vec![Completion::Synced]),
            ],
        },
        Case {
            title: "state written twice → the last one is read, also after a restart",
            steps: vec![
                writes_state(b"one"),
                writes_state(b"two"),
                state(Some(b"two")),
                Step::Restart,
                state(Some(b"two")),
            ],
        },
    ]
}

fn segment_cases() -> Vec<Case> {
    vec![
        Case {
            title: "a synced batch → is read back, pieces joined, also after a restart",
            steps: vec![
                stores(vec![write(1, 0, &[b"head", b"", b"er"])], true, 1),
                stores(vec![write(1, 6, &[b"more"])], true, 2),
                Step::Begins(1, b"headermore"),
                Step::Restart,
                lists(&[1]),
                Step::Begins(1, b"headermore"),
            ],
        },
        Case {
            title: "an unsynced batch → is read back while the process lives",
            steps: vec![
                stores(vec![write(1, 0, &[b"soft"])], false, 1),
                Step::Begins(1, b"soft"),
            ],
        },
        Case {
            title: "an unsynced batch followed by a synced one → both survive",
            steps: vec![
                stores(vec![write(1, 0, &[b"first"])], false, 1),
                stores(vec![write(2, 0, &[b"second"])], true, 2),
                Step::Restart,
                lists(&[1, 2]),
                Step::Begins(1, b"first"),
                Step::Begins(2, b"second"),
            ],
        },
        Case {
            title: "one batch over two segments, and a gap → every place is written",
            steps: vec![
                stores(
                    vec![
                        write(7, 0, &[b"a"]),
                        write(7, 512, &[b"b"]),
                        write(8, 0, &[b"c"]),
                    ],
                    true,
                    3,
                ),
                lists(&[7, 8]),
                Step::Begins(7, b"a"),
                Step::Holds(7, 512, b"b"),
                Step::Begins(8, b"c"),
            ],
        },
        Case {
            title: "a batch without writes → is stored",
            steps: vec![stores(Vec::new(), true, 9), lists(&[])],
        },
        Case {
            title: "a released segment → is gone, and its file may serve again",
            steps: vec![
                stores(vec![write(1, 0, &[b"old old old"])], true, 1),
                stores(vec![write(2, 0, &[b"second"])], true, 2),
                Step::Ask(Request::Release(Segment(1)), Vec::new()),
                lists(&[2]),
                stores(vec![write(3, 0, &[b"new"])], true, 3),
                lists(&[2, 3]),
                Step::Begins(3, b"new"),
                Step::Restart,
                lists(&[2, 3]),
                Step::Begins(3, b"new"),
            ],
        },
        Case {
            title: "releasing what does not exist → nothing happens",
            steps: vec![
                Step::Ask(Request::Release(Segment(5)), Vec::new()),
                lists(&[]),
            ],
        },
        Case {
            title: "segments are listed by number, not by name",
            steps: vec![
                stores(
                    vec![
                        write(9, 0, &[b"9"]),
                        write(10, 0, &[b"10"]),
                        write(100, 0, &[b"100"]),
                    ],
                    true,
                    1,
                ),
                lists(&[9, 10, 100]),
            ],
        },
    ]
}

fn failure_cases() -> Vec<Case> {
    vec![
        Case {
            title: "reading a segment that does not exist → failed for good",
            steps: vec![Step::Fails(Request::ReadSegment(Segment(4)))],
        },
        Case {
            title: "a segment whose first write is not at its start → failed for good",
            steps: vec![Step::Fails(batch(vec![write(1, 100, &[b"x"])], true, 1))],
        },
        Case {
            title: "a failed disk → works again for the next process",
            steps: vec![
                stores(vec![write(1, 0, &[b"kept"])], true, 1),
                Step::Fails(Request::ReadSegment(Segment(4))),
                Step::Restart,
                lists(&[1]),
                Step::Begins(1, b"kept"),
            ],
        },
    ]
}
