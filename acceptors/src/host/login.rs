// SPDX-License-Identifier: Apache-2.0
//! Checks logins beside the turn: password hashes are made to be slow.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hind_engine::event::{Event, Refusal};
use hind_engine::protocol::Login;
use hind_engine::security::user::{Credentials, Identity};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Semaphore;

use super::mailbox::Mailbox;
use crate::options::LoginOptions;

/// The login modules.
pub trait Authenticator: Send + Sync {
    /// Who the client is. May take its time: it is called on a thread that may block.
    ///
    /// # Errors
    /// No module lets the client in.
    fn check(&self, credentials: &Credentials) -> Result<Identity, Rejected>;

    /// Counts up when users or roles have changed: what was found out before is checked again.
    fn generation(&self) -> u64 {
        0
    }
}

/// No login module lets the client in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rejected;

/// Takes logins, has a bounded number of them checked at a time, remembers the successful ones for a while and makes
/// the others wait.
pub struct LoginDesk {
    options: LoginOptions,
    slots: Semaphore,
    known: Mutex<Known>,
}

impl fmt::Debug for LoginDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginDesk")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl LoginDesk {
    /// A desk that knows nobody yet.
    pub fn new(options: LoginOptions) -> Self {
        Self {
            slots: Semaphore::new(options.concurrency.max(1)),
            known: Mutex::new(Known::default()),
            options,
        }
    }

    /// Checks a login; the answer goes to `mailbox` with the login's ticket.
    pub fn check(self: &Arc<Self>, login: Login, mailbox: Arc<Mailbox>) {
        if let Some(identity) = self.remembered(&login.credentials) {
            answer(&mailbox, Event::LoggedIn(login.ticket, identity));
            return;
        }
        let desk = Arc::clone(self);
        tokio::spawn(async move {
            let user = login.credentials.user.clone();
            let event = match desk.ask(login.credentials).await {
                Ok(identity) => Event::LoggedIn(login.ticket, identity),
                Err(Rejected) => {
                    tokio::time::sleep(desk.options.failure_delay).await;
                    Event::Refused(Some(login.ticket), Refusal::NotAuthenticated { user })
                }
            };
            answer(&mailbox, event);
        });
    }

    async fn ask(self: &Arc<Self>, credentials: Credentials) -> Result<Identity, Rejected> {
        // The semaphore is never closed; were it, nobody would be let in.
        let _slot = self.slots.acquire().await.map_err(|_| Rejected)?;
        let desk = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || {
            let authenticator = &desk.options.authenticator;
            let generation = authenticator.generation();
            let identity = authenticator.check(&credentials)?;
            desk.remember(&credentials, &identity, generation);
            Ok(identity)
        });
        // A login module that panics lets nobody in.
        asked.await.unwrap_or(Err(Rejected))
    }

    fn remembered(&self, credentials: &Credentials) -> Option<Identity> {
        if self.options.cache_size == 0 {
            return None;
        }
        let generation = self.options.authenticator.generation();
        self.known
            .lock()
            .get(credentials, generation, self.options.cache_for)
    }

    fn remember(&self, credentials: &Credentials, identity: &Identity, generation: u64) {
        if self.options.cache_size > 0 {
            let mut known = self.known.lock();
            known.put(
                credentials,
                identity.clone(),
                generation,
                self.options.cache_size,
            );
        }
    }
}

fn answer(mailbox: &Mailbox, event: Event) {
    if let Some(sleeper) = mailbox.put([event]) {
        sleeper.wake();
    }
}

/// Successful logins, the oldest first out. Passwords are kept only as a hash under two keys of this process.
#[derive(Debug, Default)]
struct Known {
    keys: (RandomState, RandomState),
    logins: FxHashMap<Fingerprint, Remembered>,
    order: VecDeque<Fingerprint>,
}

type Fingerprint = (u64, u64);

#[derive(Debug)]
struct Remembered {
    identity: Identity,
    generation: u64,
    since: Instant,
}

impl Known {
    fn fingerprint(&self, credentials: &Credentials) -> Fingerprint {
        let both = (&credentials.user, &credentials.password);
        (self.keys.0.hash_one(both), self.keys.1.hash_one(both))
    }

    fn get(&self, credentials: &Credentials, generation: u64, age: Duration) -> Option<Identity> {
        let found = self.logins.get(&self.fingerprint(credentials))?;
        (found.generation == generation && found.since.elapsed() < age)
            .then(|| found.identity.clone())
    }

    fn put(&mut self, credentials: &Credentials, identity: Identity, generation: u64, room: usize) {
        let fingerprint = self.fingerprint(credentials);
        let remembered = Remembered {
            identity,
            generation,
            since: Instant::now(),
        };
        if self.logins.insert(fingerprint, remembered).is_none() {
            self.order.push_back(fingerprint);
        }
        while self.order.len() > room {
            if let Some(oldest) = self.order.pop_front() {
                self.logins.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(user: &str) -> Credentials {
        Credentials {
            user: Some(user.to_owned()),
            password: Some("secret".to_owned()),
        }
    }

    #[test]
    fn a_login_is_remembered_for_its_generation_its_time_and_its_room() {
        let age = Duration::from_secs(60);
        let mut known = Known::default();
        for user in ["a", "b", "c"] {
            known.put(&credentials(user), Identity::default(), 1, 2);
        }
        let remembers = |known: &Known, user, generation, age| {
            known.get(&credentials(user), generation, age).is_some()
        };
        assert!(!remembers(&known, "a", 1, age), "the oldest made room");
        assert!(remembers(&known, "b", 1, age) && remembers(&known, "c", 1, age));
        assert!(!remembers(&known, "c", 2, age), "the users have changed");
        assert!(!remembers(&known, "c", 1, Duration::ZERO), "it is too old");
        let wrong = Credentials {
            password: Some("guess".to_owned()),
            ..credentials("c")
        };
        assert!(known.get(&wrong, 1, age).is_none());
    }
}
