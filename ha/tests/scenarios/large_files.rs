// SPDX-License-Identifier: Apache-2.0
//! A disk for the bodies of large messages: files that the test looks at, and damages.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use hind_engine::id::LargeId;
use hind_engine::storage::request::{LargeCompletion, LargeRequest};

/// The files, and what has been asked and not carried out.
#[derive(Default)]
pub(crate) struct LargeFiles {
    pub(crate) files: BTreeMap<LargeId, Vec<u8>>,
    pub(crate) aside: BTreeMap<LargeId, Vec<u8>>,
    pub(crate) hold: bool,
    pub(crate) asked: VecDeque<LargeRequest>,
    pub(crate) sealed: Vec<LargeId>,
    /// The largest read so far.
    pub(crate) read_max: u32,
}

impl LargeFiles {
    pub(crate) fn ask(&mut self, request: LargeRequest) {
        self.asked.push_back(request);
    }

    /// The process died.
    pub(crate) fn forget_waiting(&mut self) {
        self.asked.clear();
        self.hold = false;
    }

    /// Carries out the next request, if there is one and nothing is held; its answer, if it has one.
    pub(crate) fn carry_out(&mut self) -> Option<Option<LargeCompletion>> {
        if self.hold {
            return None;
        }
        Some(match self.asked.pop_front()? {
            LargeRequest::List => {
                Some(LargeCompletion::Files(self.files.keys().copied().collect()))
            }
            LargeRequest::Append {
                body,
                offset,
                bytes,
            } => {
                let file = self.files.entry(body).or_default();
                assert_eq!(file.len() as u64, offset, "appends follow one another");
                file.extend_from_slice(&bytes);
                Some(LargeCompletion::Appended(body, bytes.len() as u64))
            }
            LargeRequest::Seal(body) => {
                assert!(self.files.contains_key(&body), "only files are sealed");
                self.sealed.push(body);
                Some(LargeCompletion::Sealed(body))
            }
            LargeRequest::Read {
                body,
                offset,
                length,
            } => {
                self.read_max = self.read_max.max(length);
                Some(self.read(body, offset, length))
            }
            LargeRequest::Delete(body) => {
                self.files.remove(&body);
                None
            }
            LargeRequest::SetAside(body) => {
                let file = self.files.remove(&body);
                let name = file
                    .as_ref()
                    .map_or(String::new(), |_| format!("{body} aside"));
                self.aside.extend(file.map(|file| (body, file)));
                Some(LargeCompletion::SetAside(body, name))
            }
        })
    }

    fn read(&self, body: LargeId, offset: u64, length: u32) -> LargeCompletion {
        let Some(file) = self.files.get(&body).or_else(|| self.aside.get(&body)) else {
            let why = "no such file".to_owned();
            return LargeCompletion::Unreadable { body, offset, why };
        };
        let start = (offset as usize).min(file.len());
        let end = (start + length as usize).min(file.len());
        let bytes = Bytes::copy_from_slice(&file[start..end]);
        LargeCompletion::Read {
            body,
            offset,
            bytes,
        }
    }

    /// The only file there is.
    pub(crate) fn only(&mut self) -> &mut Vec<u8> {
        assert_eq!(self.files.len(), 1);
        self.files.values_mut().next().expect("one")
    }
}
