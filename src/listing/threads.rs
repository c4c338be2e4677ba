//! A little help from more than one core. It owns threads for the length of one call, none longer.

use std::sync::{LazyLock, Mutex};

/// How many threads may work at the same thing: half a handful at most, a console is a guest on its machine. The system is
/// asked once: it reads several files to say.
pub fn most() -> usize {
    static MOST: LazyLock<usize> = LazyLock::new(|| std::thread::available_parallelism().map_or(1, |cores| cores.get()).min(4));
    *MOST
}

/// How many threads a query over so many rows may use.
pub fn count(rows: usize) -> usize {
    const WORTH_A_THREAD: usize = 1 << 15;
    // Few rows do not even ask.
    let worth = rows / WORTH_A_THREAD;
    if worth <= 1 { 1 } else { worth.min(most()) }
}

/// The answers of `work` to each job, in the jobs' order, on `threads` threads.
pub fn spread<J: Send, T: Send>(threads: usize, jobs: Vec<J>, work: impl Fn(J) -> T + Sync) -> Vec<T> {
    let threads = threads.min(jobs.len());
    if threads <= 1 {
        return jobs.into_iter().map(work).collect();
    }
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let run = || {
        let mut done = Vec::new();
        loop {
            let job = queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
            let Some((place, job)) = job else { return done };
            done.push((place, work(job)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for helper in helpers {
            done.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, answer)| answer).collect()
}
