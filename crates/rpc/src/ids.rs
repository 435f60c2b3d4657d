//! Ids of requests, which a client gets back as it has sent them.
//!
//! geth gives back any number as it was written; ids of jsonrpsee are strings and whole numbers of 64 bits without a sign. A
//! request with another one is called with the id `null`, and its own is put into the text of its answer.

use jsonrpsee::{
    core::middleware::Notification,
    types::{Id, Request},
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// How every answer to a request without an id begins.
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":null,"#;

/// The ids of a message that its answers lack: of each answer to a batch, in order, or of the one answer where it lacks it.
#[derive(Debug, Default)]
pub(crate) struct LackingIds {
    ids: Vec<Option<Box<RawValue>>>,
    is_batch: bool,
}

/// A request, or what is none.
pub(crate) enum Message<'a> {
    Call(Request<'a>),
    Notification(Notification<'a>),
    Invalid,
}

impl LackingIds {
    /// Of one message that is no batch.
    pub(crate) fn of_one() -> Self {
        Self::default()
    }

    /// Of a batch.
    pub(crate) fn of_batch() -> Self {
        Self { ids: Vec::new(), is_batch: true }
    }

    /// Reads a request, and takes note of its id where its answer will lack it.
    pub(crate) fn read<'a>(&mut self, text: &'a [u8]) -> Message<'a> {
        if let Ok(request) = serde_json::from_slice::<Request<'_>>(text) {
            // The usual single request costs nothing here.
            if self.is_batch {
                self.ids.push(None);
            }
            return Message::Call(request);
        }
        let id = lacking(text);
        let Ok(notification) = serde_json::from_slice::<Notification<'_>>(text) else {
            self.ids.push(id);
            return Message::Invalid;
        };
        if id.is_none() {
            return Message::Notification(notification);
        }
        self.ids.push(id);
        let Notification { jsonrpc, method, params, extensions } = notification;
        Message::Call(Request { jsonrpc, id: Id::Null, method, params, extensions })
    }

    /// The answer to the message, or the answers to a batch, with these ids.
    pub(crate) fn put_into(self, answer: Box<RawValue>) -> Box<RawValue> {
        if self.ids.iter().all(Option::is_none) {
            return answer;
        }
        let text = if self.is_batch {
            // A batch may be refused as a whole: that answer is no list, and belongs to no request.
            let Ok(answers) = serde_json::from_str::<Vec<&RawValue>>(answer.get()) else {
                return answer;
            };
            let each = answers.iter().zip(&self.ids).map(|(answer, id)| with_id(answer, id));
            format!("[{}]", each.collect::<Vec<_>>().join(","))
        } else {
            self.ids.iter().map(|id| with_id(&answer, id)).collect()
        };
        RawValue::from_string(text).unwrap_or(answer)
    }
}

/// The id of a request as it was written, where that is a number or `true` or `false`.
fn lacking(text: &[u8]) -> Option<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Identified<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    let Identified { id } = serde_json::from_slice(text).ok()?;
    let is_plain = !id.get().starts_with(['"', '{', '[', 'n']);
    // What jsonrpsee can read it gives back itself.
    let lacks = is_plain && serde_json::from_str::<Id<'_>>(id.get()).is_err();
    lacks.then(|| id.to_owned())
}

fn with_id(answer: &RawValue, id: &Option<Box<RawValue>>) -> String {
    match (id, answer.get().strip_prefix(ANSWER)) {
        (Some(id), Some(rest)) => format!(r#"{{"jsonrpc":"2.0","id":{id},{rest}"#),
        _ => answer.get().to_owned(),
    }
}
