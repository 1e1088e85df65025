// SPDX-License-Identifier: Apache-2.0
//! How each type that a packet may carry is read and written. A packet is its fields in order: [`body!`] says which.

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::Cursor;
use super::text::{put_java, put_simple, read_java};
use super::{Malformed, SimpleString, Version};

/// The body of one packet while it is read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub cursor: Cursor<'a>,
    /// What the cursor walks along; slices of it are given out.
    source: &'a Bytes,
    /// Who wrote it.
    pub version: Version,
    /// Which of its forms the packet has: 1 for those that have one.
    pub form: u8,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a Bytes, version: Version, form: u8) -> Self {
        Self {
            cursor: Cursor::new(source),
            source,
            version,
            form,
        }
    }

    /// The next field.
    pub fn read<T: Field>(&mut self) -> Result<T, Malformed> {
        T::read(self)
    }

    /// The next `length` bytes, not copied.
    pub fn slice(&mut self, length: usize) -> Result<Bytes, Malformed> {
        Ok(self.source.slice_ref(self.cursor.take(length)?))
    }
}

/// A piece of a frame that its writer left out because it is too long to be copied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Splice {
    /// Where it belongs, in bytes from the start of the buffer that was written to.
    pub at: usize,
    /// What belongs there.
    pub body: Bytes,
}

/// The body of one packet while it is written.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub out: &'a mut BytesMut,
    /// Who will read it.
    pub version: Version,
    /// Bodies from this size on are left out; in bytes.
    pub splice_from: usize,
    /// The one body that was left out.
    pub splice: Option<Splice>,
}

impl Writer<'_> {
    /// Appends bytes that came in as a slice and may go out as one.
    pub fn put_body(&mut self, body: &Bytes) {
        if body.len() >= self.splice_from && self.splice.is_none() {
            self.splice = Some(Splice {
                at: self.out.len(),
                body: body.clone(),
            });
        } else {
            self.out.put_slice(body);
        }
    }

    /// Appends a length in bytes, or a count.
    pub fn put_length(&mut self, length: usize) {
        self.out
            .put_i32(i32::try_from(length).expect("what goes into a frame is far below 2 GiB"));
    }
}

/// Something that a packet may carry.
pub(super) trait Field: Sized {
    /// The fewest bytes it takes.
    const LEAST: usize;
    /// What is written before it where it may be absent. Artemis marks texts with 1 and everything else with 0xFF.
    const PRESENT: u8 = 0xff;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed>;

    fn write(&self, to: &mut Writer<'_>);
}

/// Declares the body of a packet, or a part of one, as its fields in the order of the wire.
macro_rules! body {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => { $(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl crate::codec::field::Field for $name {
            const LEAST: usize = 0 $(+ <$type as crate::codec::field::Field>::LEAST)+;

            fn read(from: &mut crate::codec::field::Reader<'_>) -> Result<Self, crate::codec::Malformed> {
                Ok(Self { $($field: from.read()?,)+ })
            }

            fn write(&self, to: &mut crate::codec::field::Writer<'_>) {
                $(crate::codec::field::Field::write(&self.$field, to);)+
            }
        }
    )+ };
}
pub(super) use body;

/// Declares fields of which a sender may know only the first few: the list ends with the frame. How many were on the
/// wire is remembered, so that what is read is written as it was; what was not there has its default.
macro_rules! open_body {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)+
            /// How many of the fields are on the wire.
            pub known: u8,
        }

        impl $name {
            /// How many fields there are.
            pub const FIELDS: u8 = [$(stringify!($field)),+].len() as u8;
        }

        impl Default for $name {
            /// All fields are on the wire, all with their defaults.
            fn default() -> Self {
                Self { $($field: Default::default(),)+ known: Self::FIELDS }
            }
        }

        impl crate::codec::field::Field for $name {
            const LEAST: usize = 0;

            fn read(from: &mut crate::codec::field::Reader<'_>) -> Result<Self, crate::codec::Malformed> {
                let mut body = Self { known: 0, ..Self::default() };
                $(if !from.cursor.is_empty() {
                    body.$field = from.read()?;
                    body.known += 1;
                })+
                Ok(body)
            }

            fn write(&self, to: &mut crate::codec::field::Writer<'_>) {
                let mut left = self.known;
                $(if left > 0 {
                    crate::codec::field::Field::write(&self.$field, to);
                    left -= 1;
                })+
                debug_assert_eq!(left, 0, "no more fields than there are");
            }
        }
    };
}
pub(super) use open_body;

macro_rules! number {
    ($($type:ident by $put:ident),+) => { $(
        impl Field for $type {
            const LEAST: usize = size_of::<Self>();

            fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                from.cursor.$type()
            }

            fn write(&self, to: &mut Writer<'_>) {
                to.out.$put(*self);
            }
        }
    )+ };
}
number!(i8 by put_i8, i32 by put_i32, i64 by put_i64, f64 by put_f64);

impl Field for bool {
    const LEAST: usize = 1;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.cursor.bool()
    }

    /// Packet fields are written 0xFF. (Inside a message block a boolean is 1.)
    fn write(&self, to: &mut Writer<'_>) {
        to.out.put_u8(if *self { 0xff } else { 0 });
    }
}

impl Field for () {
    const LEAST: usize = 0;

    fn read(_: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(())
    }

    fn write(&self, _: &mut Writer<'_>) {}
}

impl Field for String {
    const LEAST: usize = 4;
    const PRESENT: u8 = 1;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        read_java(&mut from.cursor)
    }

    fn write(&self, to: &mut Writer<'_>) {
        put_java(self, to.out);
    }
}

impl Field for SimpleString {
    const LEAST: usize = 4;
    const PRESENT: u8 = 1;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::read(&mut from.cursor)
    }

    fn write(&self, to: &mut Writer<'_>) {
        put_simple(self, to.out);
    }
}

/// Bytes behind their length; a slice of the frame.
impl Field for Bytes {
    const LEAST: usize = 4;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = from.cursor.length()?;
        from.slice(length)
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put_length(self.len());
        to.put_body(self);
    }
}

impl<T: Field> Field for Option<T> {
    const LEAST: usize = 1;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        if from.cursor.bool()? {
            T::read(from).map(Some)
        } else {
            Ok(None)
        }
    }

    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Some(value) => {
                to.out.put_u8(T::PRESENT);
                value.write(to);
            }
            None => to.out.put_u8(0),
        }
    }
}

impl<T: Field> Field for Box<T> {
    const LEAST: usize = T::LEAST;
    const PRESENT: u8 = T::PRESENT;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        T::read(from).map(Self::new)
    }

    fn write(&self, to: &mut Writer<'_>) {
        self.as_ref().write(to);
    }
}

/// Elements behind their count. Room is reserved for no more than the frame can hold.
impl<T: Field> Field for Vec<T> {
    const LEAST: usize = 4;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = from.cursor.count(T::LEAST)?;
        let mut elements = Self::with_capacity(count);
        for _ in 0..count {
            elements.push(T::read(from)?);
        }
        Ok(elements)
    }

    fn write(&self, to: &mut Writer<'_>) {
        to.put_length(self.len());
        for element in self {
            element.write(to);
        }
    }
}

/// A field that only versions from `VERSION` on know, at the end of its packet; others neither send nor are sent it. It
/// may be missing even so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Since<const VERSION: i32, T>(pub Option<T>);

/// A field at the end of its packet that may be missing.
pub type Trailing<T> = Since<0, T>;

impl<const VERSION: i32, T: Field> Field for Since<VERSION, T> {
    const LEAST: usize = 0;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        if from.version.number() >= VERSION && !from.cursor.is_empty() {
            T::read(from).map(|value| Self(Some(value)))
        } else {
            Ok(Self(None))
        }
    }

    fn write(&self, to: &mut Writer<'_>) {
        if let Some(value) = self.0.as_ref().filter(|_| to.version.number() >= VERSION) {
            value.write(to);
        }
    }
}

/// A field that only the forms of a packet from `FORM` on have (the 2 of `_V2`). With it the packet takes that form.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Form<const FORM: u8, T>(pub Option<T>);

impl<const FORM: u8, T> Form<FORM, T> {
    /// The form that this field gives its packet, if it is there.
    pub(super) fn number(&self) -> u8 {
        if self.0.is_some() { FORM } else { 1 }
    }

    /// Removes the field if a packet of this form has none.
    pub(super) fn limit(&mut self, form: u8) {
        if form < FORM {
            self.0 = None;
        }
    }
}

impl<const FORM: u8, T: Field> Field for Form<FORM, T> {
    const LEAST: usize = 0;

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        if from.form >= FORM && !from.cursor.is_empty() {
            T::read(from).map(|value| Self(Some(value)))
        } else {
            Ok(Self(None))
        }
    }

    fn write(&self, to: &mut Writer<'_>) {
        if let Some(value) = &self.0 {
            value.write(to);
        }
    }
}
