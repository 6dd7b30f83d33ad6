//! watch: events of a collection as JSON lines, or as protobuf frames.
//!
//! ```text
//!   no resourceVersion, or "0"     ADDED for everything that is there, then events
//!   resourceVersion=N              events after N; 410 in the stream when N is beyond the history
//!   sendInitialEvents=true         ADDED for everything, a bookmark that marks their end, then events
//! ```

mod frames;

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use rand::Rng as _;
use store::{At, Ended, Object, Query, Revision, Subscription};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::authz::{Permit, Watch};
use crate::fairness::Taken;
use crate::read::{collection, find, fresh, key_namespace, scope};
use crate::request::Info;
use crate::respond::{Answer, Encoding, Error, Lens, Rows, STREAMS, Wanted};
use crate::select::Selection;
use frames::Frames;

/// Watches without `timeoutSeconds` end after this long, and up to twice as long (upstream: `min-request-timeout`).
const MIN_TIMEOUT: u64 = 1800;
/// How often a watch that asked for bookmarks gets one (upstream: once a minute).
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// Answers a watch.
pub(crate) async fn watch(api: &Api, permit: &Permit<Watch>, wanted: &Wanted, seat: Taken) -> Result<Answer, Error> {
    let info = permit.info();
    let resource = find(api, info)?;
    if !resource.verbs.iter().any(|verb| verb == "watch") {
        return Err(Error::MethodNotAllowed);
    }
    let accept = wanted.choose(Lens::offer(&resource, info))?;
    let content_type = match accept.encoding {
        Encoding::Json => "application/json",
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        Encoding::Yaml => return Err(Error::NotAcceptable(STREAMS)),
    };
    let warning = crate::write::deprecation(&resource);
    let selection = Selection::parse(&resource, info)?;
    let start = start(info)?;
    if let Start::NotOlderThan(revision) | Start::Initial { at_least: revision, .. } = start {
        fresh(api, revision).await?;
    }
    let seconds = info.query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let seconds = seconds.unwrap_or_else(|| rand::rng().random_range(MIN_TIMEOUT..2 * MIN_TIMEOUT));
    let lens = Lens::new(resource, info);
    let mut frames = Frames::new(lens, selection, accept, Rows::parse(info.query.get("includeObject")));
    let subscription = begin(api, info, start, &mut frames);
    let state = State {
        subscription,
        bookmarks: info.query.flag("allowWatchBookmarks").then(bookmark_ticks),
        deadline: Instant::now() + Duration::from_secs(seconds),
        draining: api.draining.clone(),
        frames,
        _held: (api.metrics.watch_started(), seat),
    };
    let body = stream::unfold(state, |mut state| async move {
        let bytes = state.next().await?;
        Some((Ok(Frame::data(bytes)), state))
    });
    let mut answer = Response::new(StreamBody::new(body).boxed_unsync());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    crate::respond::warn(&mut answer, warning.as_slice());
    Ok(answer)
}

#[derive(Clone, Copy)]
enum Start {
    /// Everything as ADDED, then events; with `marked`, a bookmark after the initial events.
    Initial { at_least: Revision, marked: bool },
    /// Events after a revision.
    After(Revision),
    /// Events from now on, at least this revision.
    NotOlderThan(Revision),
}

fn start(info: &Info) -> Result<Start, Error> {
    let query = &info.query;
    let invalid = |detail: &str| {
        let errors = vec![schema::field::Error::forbidden("resourceVersionMatch", detail)];
        let kind = "ListOptions".to_owned();
        Error::Invalid { group: "meta.k8s.io".to_owned(), kind, name: String::new(), errors }
    };
    let matching = query.get("resourceVersionMatch");
    let version = query.get("resourceVersion");
    let revision = if version.is_empty() { Revision(0) } else { watched_revision(version)? };
    match query.optional_flag("sendInitialEvents") {
        None if !matching.is_empty() => {
            let errors = vec![schema::field::Error::forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )];
            let kind = "ListOptions".to_owned();
            Err(Error::Invalid { group: "meta.k8s.io".to_owned(), kind, name: String::new(), errors })
        }
        None if revision.0 == 0 => Ok(Start::Initial { at_least: Revision(0), marked: false }),
        None => Ok(Start::After(revision)),
        Some(_) if matching != "NotOlderThan" => {
            Err(invalid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
        }
        Some(true) => Ok(Start::Initial { at_least: revision, marked: query.flag("allowWatchBookmarks") }),
        Some(false) if revision.0 == 0 => Ok(Start::NotOlderThan(revision)),
        Some(false) => Ok(Start::After(revision)),
    }
}

fn watched_revision(text: &str) -> Result<Revision, Error> {
    text.parse().map(Revision).map_err(|_| {
        let quoted = schema::field::go_quote(text);
        Error::Plain(format!(
            "resourceVersion: Invalid value: {quoted}: strconv.ParseUint: parsing {quoted}: invalid syntax"
        ))
    })
}

/// Subscribes and fills in the initial events. A subscription that cannot start leaves an ERROR event.
fn begin(api: &Api, info: &Info, start: Start, frames: &mut Frames) -> Option<Subscription> {
    let resource = frames.lens.resource().clone();
    let namespace = (!key_namespace(&resource, info).is_empty()).then_some(info.namespace.as_str());
    let since = match start {
        Start::After(revision) => revision,
        Start::NotOlderThan(_) => api.store.revision(),
        Start::Initial { marked, .. } => {
            let filter = |object: &Object| frames.selection.matches(object);
            let query = Query {
                scope: scope(info),
                collection: &collection(&resource),
                namespace,
                at: At::Latest,
                after: None,
                limit: 0,
                filter: &filter,
            };
            let Ok(listing) = api.store.list(&query) else { return None };
            for object in &listing.objects {
                frames.push("ADDED", object, None);
            }
            if marked {
                frames.bookmark(listing.revision, true);
            }
            listing.revision
        }
    };
    match api.store.watch(scope(info), &collection(&resource), namespace, since) {
        Ok(subscription) => Some(subscription),
        Err(_) => {
            frames.expired(since, api.store.revision());
            None
        }
    }
}

fn bookmark_ticks() -> Interval {
    let mut ticks = tokio::time::interval_at(Instant::now() + BOOKMARK_EVERY, BOOKMARK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

struct State {
    subscription: Option<Subscription>,
    bookmarks: Option<Interval>,
    deadline: Instant,
    draining: CancellationToken,
    frames: Frames,
    _held: (crate::admin::HeldWatch, Taken),
}

impl State {
    /// The next bytes of the stream; None at its end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.frames.take() {
                return Some(bytes);
            }
            let subscription = self.subscription.as_mut()?;
            let tick = async {
                match self.bookmarks.as_mut() {
                    Some(ticks) => {
                        ticks.tick().await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = subscription.next() => match event {
                    Some(event) => self.frames.event(&event),
                    None => {
                        let too_slow = subscription.ended() == Some(Ended::TooSlow);
                        let revision = subscription.revision();
                        self.subscription = None;
                        if too_slow {
                            self.frames.too_slow(revision);
                        }
                    }
                },
                () = tick => {
                    let revision = subscription.revision();
                    self.frames.bookmark(revision, false);
                }
                () = tokio::time::sleep_until(self.deadline) => {
                    if self.bookmarks.is_some() {
                        let revision = subscription.revision();
                        self.frames.bookmark(revision, false);
                    }
                    self.subscription = None;
                }
                () = self.draining.cancelled() => self.subscription = None,
            }
        }
    }
}
