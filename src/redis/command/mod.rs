//! A command: what goes out and how its answer is read, together, under its name.

pub(crate) mod given;
pub(crate) mod kept;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod untouched;
pub(crate) mod values;
pub(crate) mod verb;

use crate::error::Error;
use crate::redis::connection::replies::Replies;
use crate::redis::connection::reply::Reply;
use crate::redis::connection::resp::{Encoder, LARGE};
use crate::store::Value;

use script::Script;
use verb::Verb;

/// One or more commands of the protocol that are sent together, and the meaning of their replies.
pub(crate) trait Command {
    /// What the replies come to.
    type Answer;

    /// Its name in errors, and what may be done with it.
    fn verb(&self) -> Verb;

    /// Writes the commands, for every attempt anew: what a first one was not answered, and where [`Encoder::lost`] says
    /// that it may have been done, in the words of a repetition.
    fn pack(&self, to: &mut Encoder<'_>);

    /// The back of an argument that `pack` joins, where it is so large that a copy would cost; it is written from where it
    /// lies.
    #[inline]
    fn large(&self) -> Option<&[u8]> {
        None
    }

    /// Reads all the replies, of one attempt. After a lost connection it is called again: then everything begins anew.
    fn read(&mut self, from: &mut Replies<'_>) -> Reply<Self::Answer>;

    /// The server refused, and so has done nothing: whether the same can be said in other words, which `pack` writes from
    /// now on. At most once.
    fn reword(&mut self, _refusal: &Error) -> bool {
        false
    }

    /// For an answer that has refusals within: the one that proves something of the node or the connection.
    #[inline]
    fn complaint(&self) -> Option<&Error> {
        None
    }
}

/// A script by its digest; a server that does not know it is sent the text, and knows it from then on.
pub(crate) struct Run<'a, P, R> {
    script: &'a Script,
    pub(crate) keys: &'a [&'a [u8]],
    args: usize,
    pack_args: P,
    read: R,
    value: Value<'a>,
    by_text: bool,
}

impl<'a, P, R> Run<'a, P, R> {
    pub(crate) fn new<A>(
        script: &'a Script,
        keys: &'a [&'a [u8]],
        args: usize,
        pack_args: P,
        read: R,
    ) -> Self
    where
        P: Fn(&mut Encoder<'_>),
        R: FnMut(&mut Replies<'_>) -> Reply<A>,
    {
        Run {
            script,
            keys,
            args,
            pack_args,
            read,
            value: Value {
                head: &[],
                body: &[],
            },
            by_text: false,
        }
    }

    /// `value` is among the arguments.
    pub(crate) fn with(self, value: Value<'a>) -> Self {
        Run { value, ..self }
    }
}

impl<P, R, A> Command for Run<'_, P, R>
where
    P: Fn(&mut Encoder<'_>),
    R: FnMut(&mut Replies<'_>) -> Reply<A>,
{
    type Answer = A;

    fn verb(&self) -> Verb {
        self.script.verb
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        let to = to.command(3 + self.keys.len() + self.args);
        self.script.pack_call(to, self.by_text);
        match self.keys.len() {
            1 => to.words(b"$1\r\n1\r\n"),
            keys => to.int(keys as i64),
        };
        self.keys.iter().for_each(|key| {
            to.arg(key);
        });
        (self.pack_args)(to);
    }

    fn large(&self) -> Option<&[u8]> {
        large(self.value)
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<A> {
        (self.read)(from)
    }

    fn reword(&mut self, refusal: &Error) -> bool {
        let is_unknown = refusal.code() == Some("NOSCRIPT");
        is_unknown && !std::mem::replace(&mut self.by_text, true)
    }
}

/// What of a value is worth being written from where it lies.
#[inline]
pub(crate) fn large(value: Value<'_>) -> Option<&[u8]> {
    (value.body.len() >= LARGE).then_some(value.body)
}

impl<C: Command + ?Sized> Command for &mut C {
    type Answer = C::Answer;

    fn verb(&self) -> Verb {
        (**self).verb()
    }

    fn pack(&self, to: &mut Encoder<'_>) {
        (**self).pack(to);
    }

    fn large(&self) -> Option<&[u8]> {
        (**self).large()
    }

    fn read(&mut self, from: &mut Replies<'_>) -> Reply<C::Answer> {
        (**self).read(from)
    }

    fn reword(&mut self, refusal: &Error) -> bool {
        (**self).reword(refusal)
    }

    fn complaint(&self) -> Option<&Error> {
        (**self).complaint()
    }
}
