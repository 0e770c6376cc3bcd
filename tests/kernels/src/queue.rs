//! Doing a number of things, some of them at the same time.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Does `job` with every item, with `at_once` of them at the same time, and returns the results
/// in the order of the items.
pub fn run<T: Sync, R: Send + Sync>(
    items: &[T],
    at_once: usize,
    job: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Vec<_> = items.iter().map(|_| OnceLock::new()).collect();
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    results[index].get_or_init(|| job(item));
                }
            });
        }
    });
    // A panic of a job has ended the scope with a panic.
    results
        .into_iter()
        .filter_map(OnceLock::into_inner)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::atomic::AtomicUsize, time::Duration};

    #[test]
    fn results_come_in_order_and_no_more_run_at_once_than_allowed() {
        let running = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let items: Vec<u64> = (0..12).collect();
        let results = run(&items, 3, |item| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(20 * (1 + item % 3)));
            running.fetch_sub(1, Ordering::SeqCst);
            item * 2
        });
        assert_eq!(
            results,
            items.iter().map(|item| item * 2).collect::<Vec<_>>()
        );
        assert!((2..=3).contains(&most.into_inner()));
    }

    #[test]
    fn nothing_to_do_is_done_at_once() {
        assert!(run(&[], 2, |(): &()| ()).is_empty());
    }
}
