//! Processes that are killed at any moment: nothing acknowledged is lost, nothing is half there.

use crate::engine::Place;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use store::{Action, Collection, Config, Draft, EngineError, Expect, Key, Revision, Store, Write, WriteError};
use tenancy::TenantId;

const CHILD: &str = "ROWHOUSE_STORE_KILL_TEST";
const WRITERS: usize = 8;
const ROUNDS: usize = 10;

fn tenant() -> TenantId {
    TenantId::from_uid("t")
}

fn maps() -> Collection {
    Collection::new("", "configmaps")
}

fn open(place: &Place) -> Store {
    Store::open(Config { backend: place.backend(), ..Config::default() }).unwrap()
}

fn stored(store: &Store, name: &str) -> (u64, Option<Revision>) {
    let object = store.get(tenant(), &maps(), "n", name);
    let count = |value: Value| value["data"]["count"].as_u64().unwrap();
    (object.as_ref().map_or(0, |object| count(object.value())), object.map(|object| object.revision()))
}

/// Two objects with one count, in one transaction, over what is stored now.
fn pair(store: &Store, writer: usize) -> (u64, Vec<Write>) {
    let name = |half: &str| format!("w{writer}-{half}");
    let (count, _) = stored(store, &name("a"));
    let half = |half: &str| {
        let (_, seen) = stored(store, &name(half));
        Write {
            key: Key::new(tenant(), &maps(), "n", &name(half)),
            expect: seen.map_or(Expect::Absent, Expect::Revision),
            action: Action::Put(Draft::new(json!({"data": {"count": count + 1}}))),
        }
    };
    (count + 1, vec![half("a"), half("b")])
}

async fn count_for_ever(store: Store, writer: usize) {
    loop {
        let (count, writes) = pair(&store, writer);
        match store.write_all(writes).await {
            Ok(written) => {
                let revision = written[1].object.revision();
                let mut out = std::io::stdout();
                writeln!(out, "ack {writer} {count} {revision}").unwrap();
            }
            // Nobody knows whether this was written. What is stored is, as soon as it can be asked for.
            Err(WriteError::Engine(EngineError::Unavailable(_) | EngineError::Refused(_))) => {
                while store.current().await.is_err() {
                    tokio::task::yield_now().await;
                }
            }
            // A write that was given up above arrived after all.
            Err(WriteError::Conflict(_) | WriteError::Exists(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Not a test of its own: what the others start and kill.
#[test]
fn the_child_that_is_killed() {
    let Ok(name) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(&Place::named(&name));
        let writers = (0..WRITERS).map(|writer| tokio::spawn(count_for_ever(store.clone(), writer)));
        futures::future::join_all(writers).await.into_iter().for_each(Result::unwrap);
    });
}

struct Writing {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    acknowledged: BTreeMap<usize, u64>,
    newest: Revision,
}

impl Writing {
    fn start(place: &Place) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crashes::the_child_that_is_killed", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, place.name())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, acknowledged: BTreeMap::new(), newest: Revision::NONE }
    }

    /// Takes in an acknowledgement. False: the line is none, or was cut off by the kill.
    fn take(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let ["ack", writer, count, revision] = words[..] else { return false };
        let (Ok(writer), Ok(count), Ok(revision)) = (writer.parse(), count.parse(), revision.parse::<Revision>())
        else {
            return false;
        };
        self.acknowledged.insert(writer, count);
        self.newest = self.newest.max(revision);
        true
    }

    fn wait_for(&mut self, acknowledgements: usize) {
        let mut taken = 0;
        while taken < acknowledgements {
            let line = self.lines.next().expect("the child writes").unwrap();
            taken += usize::from(self.take(&line));
        }
    }

    fn kill(mut self, place: &Place) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while let Some(Ok(line)) = self.lines.next() {
            self.take(&line);
        }
        let store = open(place);
        assert!(store.revision() >= self.newest);
        for writer in 0..WRITERS {
            let [a, b] = ["a", "b"].map(|half| stored(&store, &format!("w{writer}-{half}")));
            let acknowledged = self.acknowledged.get(&writer).copied().unwrap_or(0);
            assert!(a.0 >= acknowledged, "{writer}: acknowledged {acknowledged}, stored {a:?}");
            assert_eq!(a.0, b.0, "{writer}: half a transaction");
            assert!([a.1, b.1].into_iter().flatten().all(|revision| revision <= store.revision()));
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let mut place = Place::new();
    for round in 0..ROUNDS {
        let mut writing = Writing::start(&place);
        writing.wait_for(50 + round * 37);
        place.disturb(round);
        writing.wait_for(20 + round * 7);
        writing.kill(&place);
    }
}
