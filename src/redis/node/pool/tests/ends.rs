//! Connections that end, rest too long or grow old, and how the pool comes by others.

use super::*;

/// It cost sixteen connections.
#[test]
fn a_reset_costs_the_connections_that_are_dead() {
    let house = House::new(WIDE);
    house.fill(16);
    let mut broken = house.lend();
    let mut others = [house.lend(), house.lend(), house.lend()];
    others[1].connection().unwrap().quiet.set(false);
    others[2].connection().unwrap().knows = false;
    drop(others);
    house.pool.broken(&mut broken, false);
    assert!(broken.connection().is_none());
    assert_eq!(house.dropped(), 3);
    drop(broken);
    assert_eq!(house.pool.state().open, 13);
    let numbers: Vec<_> = (0..13)
        .map(|_| house.lend())
        .collect::<Vec<_>>()
        .iter_mut()
        .map(number)
        .collect();
    assert!(numbers.iter().all(|number| *number < 16), "{numbers:?}");
}

#[test]
fn a_timeout_costs_its_own_connection() {
    let house = House::new(WIDE);
    house.fill(3);
    let mut late = house.lend();
    house.lend().connection().unwrap().quiet.set(false);
    house.pool.broken(&mut late, true);
    assert_eq!(house.dropped(), 1);
}

#[test]
fn what_is_looked_at_stays_at_its_place() {
    let house = House::new(WIDE);
    house.fill(4);
    house.pool.look_at_idle(Moment::now(), 0, false);
    let mut loans: Vec<_> = (0..4).map(|_| house.lend()).collect();
    let numbers: Vec<_> = loans.iter_mut().map(number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
}

/// They stayed "open" for ever, and half closed.
#[test]
fn who_passes_by_gives_up_what_the_server_closed_and_what_nobody_used() {
    for (idle_timeout, is_quiet) in [(None, false), (Some(Duration::from_millis(20)), true)] {
        let house = House::new(Limits {
            idle_timeout,
            ..WIDE
        });
        house.fill(16);
        let mut all: Vec<_> = (0..16).map(|_| house.lend()).collect();
        for loan in all.iter_mut().skip(1) {
            loan.connection().unwrap().quiet.set(is_quiet);
        }
        all.into_iter().rev().for_each(drop);
        let begin = Instant::now();
        while house.dropped() < 15 {
            assert_eq!(number(&mut house.lend()), 0);
            assert!(begin.elapsed() < Duration::from_secs(20), "nobody looks");
        }
        assert_eq!(house.pool.state().open, 1);
    }
}

#[test]
fn who_asks_what_is_open_is_told_of_what_is() {
    let house = House::new(WIDE);
    house.fill(3);
    house.lend().connection().unwrap().quiet.set(false);
    assert_eq!(house.pool.state().open, 2);
}

#[test]
fn a_connection_that_was_not_used_for_long_is_not_used_again() {
    let house = House::new(Limits {
        idle_check: Duration::ZERO,
        idle_timeout: Some(Duration::from_millis(5)),
        ..LIMITS
    });
    drop(house.lend());
    std::thread::sleep(Duration::from_millis(6));
    assert_eq!(number(&mut house.lend()), 1);
}

#[test]
fn few_connect_at_a_time_while_the_node_recovers_and_the_others_have_what_comes_of_it() {
    let house = House::new(Limits {
        max_connections: 64,
        ..WIDE
    });
    let mut broken = house.lend();
    house.pool.broken(&mut broken, false);
    drop(broken);
    let (opening, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let mut loan = house.pool.lend(budget()).unwrap();
                loan.connection_or(|| {
                    let now = opening.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                    opening.fetch_sub(1, Ordering::SeqCst);
                    Ok(house.connection())
                })
                .unwrap();
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 4, "{most:?} at a time");
    assert!(!house.pool.shared().lock().is_recovering);
}

#[test]
fn who_reconnects_waits_for_its_turn_as_well() {
    let house = House::new(Limits {
        max_connections: 64,
        ..WIDE
    });
    let mut loans: Vec<_> = (0..6).map(|_| house.lend()).collect();
    loans
        .iter_mut()
        .for_each(|loan| house.pool.broken(loan, false));
    let since = Some(Moment::now());
    for loan in loans.iter_mut().take(4) {
        house.pool.refill(loan, since, None).unwrap();
    }
    let late = loans.last_mut().unwrap();
    let short = Budget::new(Duration::from_millis(5));
    let error = house.pool.refill(late, since, Some(short)).unwrap_err();
    assert!(error.is_timeout());
    assert!(
        error
            .to_string()
            .contains("the node recovers, and 4 are being opened"),
        "{error}"
    );
    // One that did not come about makes room for the next, and so does one that did.
    drop(loans.remove(0));
    house
        .pool
        .refill(loans.last_mut().unwrap(), since, None)
        .unwrap();
    assert!(house.pool.lend_now(budget()).is_none());
    let first = loans.first_mut().unwrap();
    first.connection_or(|| Ok(house.connection())).unwrap();
    assert!(house.pool.lend_now(budget()).is_some());
}

#[test]
fn a_right_that_is_given_back_wakes_all_who_wait_for_one() {
    let house = House::new(Limits {
        max_connections: 64,
        ..WIDE
    });
    let mut broken = house.lend();
    house.pool.broken(&mut broken, true);
    let rights: Vec<_> = (0..4).map(|_| house.pool.lend(budget()).unwrap()).collect();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| house.try_lend().map(drop)))
            .collect();
        while house.pool.shared().lock().line.len() < 8 {
            std::thread::yield_now();
        }
        for mut right in rights {
            right.connection_or(|| Ok(house.connection())).unwrap();
        }
        for waiter in waiters {
            waiter.join().unwrap().unwrap();
        }
    });
    assert_eq!(house.pool.shared().lock().line.len(), 0);
}

#[test]
fn one_that_leads_astray_has_all_given_up_but_not_again_and_again() {
    let house = House::new(WIDE);
    house.fill(3);
    let now = Moment::now();
    let lent = house.lend();
    house.pool.doubt(now);
    drop(lent);
    assert_eq!(house.dropped(), 3);
    house.fill(2);
    house.pool.doubt(now.after(DOUBTED_EVERY / 2));
    assert_eq!(house.dropped(), 3);
    house.pool.doubt(now.after(DOUBTED_EVERY));
    assert_eq!(house.dropped(), 5);
}

#[test]
fn a_dead_connection_is_replaced_when_it_rested_too_long() {
    let house = House::new(Limits {
        idle_check: Duration::ZERO,
        ..LIMITS
    });
    drop((house.lend(), house.lend()));
    house.lend().connection().unwrap().quiet.set(false);
    assert_eq!(number(&mut house.lend()), 0);
    assert_eq!(house.dropped(), 1);
}

#[test]
fn a_connection_that_rested_only_now_is_not_looked_at() {
    let house = House::new(LIMITS);
    house.lend().connection().unwrap().quiet.set(false);
    assert_eq!(number(&mut house.lend()), 0);
}

#[test]
fn an_old_connection_is_replaced() {
    let house = House::new(Limits {
        max_lifetime: Some(Duration::from_millis(5)),
        ..LIMITS
    });
    drop(house.lend());
    std::thread::sleep(Duration::from_millis(6));
    assert_eq!(number(&mut house.lend()), 1);
}

#[test]
fn a_closed_pool_takes_no_older_connection_back_and_opens_new_ones() {
    let house = House::new(LIMITS);
    let lent = house.lend();
    drop(house.lend());
    house.pool.close();
    assert_eq!(house.pool.state().idle, 0);
    drop(lent);
    assert_eq!(house.pool.state().open, 0);
    assert_eq!(number(&mut house.lend()), 2);
}
