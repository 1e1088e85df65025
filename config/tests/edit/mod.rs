// SPDX-License-Identifier: Apache-2.0
//! Single edits of XML text, each with the lines in which its consequence must show.

mod change;
mod mistakes;
mod random;
mod scan;

use std::collections::BTreeSet;

pub use mistakes::{edit, swap_lines};
pub use random::Random;

/// A kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    RenameElement,
    RenameOpenTag,
    RenameAttribute,
    DeleteOpenTag,
    DeleteCloseTag,
    DeleteElement,
    DuplicateElement,
    GarbageText,
    EmptyText,
    BreakNumber,
    SwapCaseOfElement,
    SwapCaseOfText,
    GarbageAttribute,
    RemoveAttribute,
    RenameParameter,
    GarbageParameter,
    RemoveParameter,
    DropEquals,
    WrongSeparator,
    DropQuote,
    DropBracket,
    DropSlash,
    StrayText,
    ChangeNamespace,
    StrayVariable,
}

pub const CLASSES: [Class; 25] = [
    Class::RenameElement,
    Class::RenameOpenTag,
    Class::RenameAttribute,
    Class::DeleteOpenTag,
    Class::DeleteCloseTag,
    Class::DeleteElement,
    Class::DuplicateElement,
    Class::GarbageText,
    Class::EmptyText,
    Class::BreakNumber,
    Class::SwapCaseOfElement,
    Class::SwapCaseOfText,
    Class::GarbageAttribute,
    Class::RemoveAttribute,
    Class::RenameParameter,
    Class::GarbageParameter,
    Class::RemoveParameter,
    Class::DropEquals,
    Class::WrongSeparator,
    Class::DropQuote,
    Class::DropBracket,
    Class::DropSlash,
    Class::StrayText,
    Class::ChangeNamespace,
    Class::StrayVariable,
];

impl Class {
    /// The text is no longer well-formed, so that the parser may stumble again further on.
    pub fn breaks_the_tree(self) -> bool {
        matches!(
            self,
            Self::RenameOpenTag
                | Self::DeleteOpenTag
                | Self::DeleteCloseTag
                | Self::DropQuote
                | Self::DropBracket
                | Self::DropSlash
        )
    }
}

/// An edited text.
pub struct Edit {
    pub text: String,
    /// For the failure's message.
    pub what: String,
    /// Where its consequence may be reported.
    pub lines: BTreeSet<u32>,
    /// Where values in force may come to differ; more lines than `lines` when what stands inside goes with it.
    pub reach: BTreeSet<u32>,
    /// The elements around it, by name and line.
    pub around: Vec<(String, u32)>,
    /// Names of what stood there: their defaults may now rule.
    pub names: BTreeSet<String>,
    /// There is a reason why it may change nothing.
    pub may_mean_the_same: bool,
}
