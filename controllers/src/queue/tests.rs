//! Tests of the fair work queue, on paused time.

use super::*;

/// A key of a numbered lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Task(u8, &'static str);

impl Keyed for Task {
    type Lane = u8;

    fn lane(&self) -> u8 {
        self.0
    }
}

async fn drain(queue: &Queue<Task>, count: usize) -> Vec<&'static str> {
    let mut names = Vec::new();
    for _ in 0..count {
        let task = queue.get().await.expect("open");
        names.push(task.1);
        queue.done(&task);
    }
    names
}

#[tokio::test]
async fn lanes_take_turns() {
    let queue = Queue::default();
    for name in ["a1", "a2", "a3"] {
        queue.add(Task(1, name));
    }
    queue.add(Task(2, "b1"));
    queue.add(Task(3, "c1"));
    assert_eq!(drain(&queue, 5).await, ["a1", "b1", "c1", "a2", "a3"]);
}

#[tokio::test]
async fn a_waiting_key_is_not_queued_twice_and_a_running_one_runs_again() {
    let queue = Queue::default();
    let key = Task(1, "a");
    queue.add(key.clone());
    queue.add(key.clone());
    assert_eq!(queue.len(), 1);
    assert_eq!(queue.get().await, Some(key.clone()));
    queue.add(key.clone());
    queue.add(key.clone());
    assert_eq!(queue.len(), 0, "must not run twice at a time");
    queue.done(&key);
    assert_eq!(drain(&queue, 1).await, ["a"]);
    assert!(queue.is_empty());
}

#[tokio::test]
async fn one_lane_cannot_occupy_all_workers() {
    let queue = Queue::new(1);
    queue.add(Task(1, "a1"));
    queue.add(Task(1, "a2"));
    let first = queue.get().await.unwrap();
    assert!(queue.get().now_or_never().is_none(), "the lane is at its limit");
    queue.add(Task(2, "b1"));
    assert_eq!(queue.get().await.unwrap().1, "b1");
    queue.done(&first);
    assert_eq!(queue.get().await.unwrap().1, "a2");
}

#[tokio::test(start_paused = true)]
async fn delays_hold_the_earliest_time() {
    let queue = Queue::default();
    let start = Instant::now();
    queue.add_after(Task(1, "late"), Duration::from_secs(60));
    queue.add_after(Task(1, "late"), Duration::from_secs(90));
    queue.add_after(Task(1, "early"), Duration::from_secs(30));
    queue.add_after(Task(1, "early"), Duration::from_secs(10));
    assert_eq!(drain(&queue, 1).await, ["early"]);
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(drain(&queue, 1).await, ["late"]);
    assert_eq!(start.elapsed().as_secs(), 60);
    assert!(queue.get().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn retries_back_off_and_forget() {
    let queue = Queue::default();
    let key = Task(1, "a");
    let mut waits = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        queue.retry(key.clone());
        let got = queue.get().await.unwrap();
        waits.push(start.elapsed());
        queue.done(&got);
    }
    assert_eq!(waits[0].as_millis(), 5);
    assert_eq!(waits[3].as_millis(), 40);
    assert_eq!(waits[19], RETRY_MAX);
    assert_eq!(queue.failures(&key), 20);
    queue.forget(&key);
    let start = Instant::now();
    queue.retry(key);
    queue.get().await.unwrap();
    assert_eq!(start.elapsed(), RETRY_MIN);
}

#[tokio::test(start_paused = true)]
async fn the_runner_survives_panics_and_ends_when_closed() {
    let queue = Queue::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    queue.add(Task(1, "bad"));
    queue.add(Task(2, "good"));
    let runner = tokio::spawn(run(queue.clone(), 2, {
        let (seen, queue) = (seen.clone(), queue.clone());
        move |task: Task| {
            let (seen, queue) = (seen.clone(), queue.clone());
            async move {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let first = !seen.contains(&task.1);
                seen.push(task.1);
                assert!(task.1 != "bad" || !first, "the first attempt fails");
                if seen.len() == 3 {
                    queue.close();
                }
                Outcome::Done
            }
        }
    }));
    runner.await.unwrap();
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    seen.sort_unstable();
    assert_eq!(seen, ["bad", "bad", "good"]);
    assert_eq!(queue.get().await, None);
}
