// SPDX-License-Identifier: Apache-2.0
//! All of a transaction or nothing: nothing before COMMIT, nothing after ABORT, and one outcome where it is in doubt.

use super::Violation;
use super::no_loss::is_excused;
use crate::simulator::model::{Ack, Fate, Model, Stage, Transaction, TransactionNumber, Uid};

/// A message arrives somewhere.
///
/// # Errors
/// Its transaction has not committed, or never will, or it was refused.
pub fn on_delivery(model: &Model, uid: Uid) -> Result<(), Violation> {
    let why = match model.messages[uid.0].fate {
        Fate::InTransaction => "its transaction has not been committed",
        Fate::Never => "it was refused or its transaction was aborted",
        Fate::Pending | Fate::Certain | Fate::Doubtful => return Ok(()),
    };
    Err(Violation::new(
        "transactions",
        format!("{uid} came although {why}"),
    ))
}

/// Everything has been drained.
///
/// # Errors
/// Part of a transaction in doubt has happened and part has not.
pub fn at_rest(model: &Model) -> Result<(), Violation> {
    for (number, transaction) in model.transactions.iter().enumerate() {
        if transaction.stage != Stage::InDoubt {
            continue;
        }
        let number = TransactionNumber(number);
        if let (Some(happened), Some(did_not)) = (
            committed(model, number, transaction),
            aborted(model, transaction),
        ) {
            let what = format!("in {number:?} {happened}, but {did_not}");
            return Err(Violation::new("transactions", what));
        }
    }
    Ok(())
}

/// Proof that it was committed: something sent in it was seen, or something acknowledged in it is gone.
fn committed(
    model: &Model,
    number: TransactionNumber,
    transaction: &Transaction,
) -> Option<String> {
    let seen = transaction
        .sends
        .iter()
        .find(|uid| model.messages[uid.0].was_seen());
    let gone = transaction.acknowledges.iter().find(|(uid, place)| {
        let lasting = model.messages[uid.0].sending.persistent;
        let copy = model.copy(*uid, *place);
        lasting
            && copy.is_some_and(|copy| {
                copy.ack == Ack::InTransaction(number) && !is_excused(model, *uid, copy)
            })
    });
    seen.map(|uid| format!("{uid} was sent"))
        .or_else(|| gone.map(|(uid, _)| format!("{uid} was acknowledged")))
}

/// Proof that it was not: something sent in it is missing, or something acknowledged in it came again.
fn aborted(model: &Model, transaction: &Transaction) -> Option<String> {
    let missing = transaction.sends.iter().find(|uid| {
        let message = &model.messages[uid.0];
        let lost = |uid: Uid| {
            message
                .copies
                .iter()
                .any(|copy| super::no_loss::is_missing(model, uid, copy))
        };
        message.sending.persistent && lost(**uid)
    });
    let again = transaction
        .came_again
        .then(|| "an acknowledgement was undone".to_owned());
    missing.map(|uid| format!("{uid} was not")).or(again)
}
