// SPDX-License-Identifier: Apache-2.0
//! What a request about pages or large messages does, whichever of the two it is about.

use bytes::Bytes;
use hind_engine::storage::request::{LargeRequest, PageRequest, Request};

use super::Name;

/// A request that is about one file, or about all of a kind.
pub(super) enum Deed {
    List,
    Append(Name, u64, Vec<Bytes>),
    Seal(Name),
    Read(Name, u64, u32),
    Delete(Name),
    SetAside(Name),
}

impl From<&Request> for Deed {
    fn from(request: &Request) -> Self {
        match request.clone() {
            Request::Page(PageRequest::List) | Request::Large(LargeRequest::List) => Self::List,
            Request::Page(PageRequest::Append {
                page,
                offset,
                pieces,
            }) => Self::Append(Name::Page(page), offset, pieces),
            Request::Large(LargeRequest::Append {
                body,
                offset,
                bytes,
            }) => Self::Append(Name::Body(body), offset, vec![bytes]),
            Request::Page(PageRequest::Seal(page)) => Self::Seal(Name::Page(page)),
            Request::Large(LargeRequest::Seal(body)) => Self::Seal(Name::Body(body)),
            Request::Page(PageRequest::Read {
                page,
                offset,
                length,
            }) => Self::Read(Name::Page(page), offset, length),
            Request::Large(LargeRequest::Read {
                body,
                offset,
                length,
            }) => Self::Read(Name::Body(body), offset, length),
            Request::Page(PageRequest::Delete(page)) => Self::Delete(Name::Page(page)),
            Request::Large(LargeRequest::Delete(body)) => Self::Delete(Name::Body(body)),
            Request::Page(PageRequest::SetAside(page)) => Self::SetAside(Name::Page(page)),
            Request::Large(LargeRequest::SetAside(body)) => Self::SetAside(Name::Body(body)),
            other => unreachable!("this is the journal's: {other:?}"),
        }
    }
}
