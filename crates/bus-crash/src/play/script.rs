//! What is asked of a log, step by step.

use std::time::Duration;

use bus_log_file::Durability;
use fastrand::Rng;

use super::subject::Settings;

/// What a process does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Appends batches to sessions, all asked for at once. A batch is the sizes of its events.
    Append(Vec<(usize, Vec<usize>)>),
    /// Archives all but the last so many events of a session.
    Archive {
        /// The session.
        session: usize,
        /// Events that stay.
        keep: u64,
    },
    /// Erases a session.
    Erase {
        /// The session.
        session: usize,
    },
    /// Closes the log and opens it again.
    Reopen,
    /// Waits until idle sessions are let go.
    Idle,
    /// Puts something in the way of session files, or takes it away.
    Obstacle(Obstacle),
    /// Waits until a reader in another process sees all that was acknowledged.
    Seen,
    /// Reads all sessions, of which nothing may be missing.
    Look,
}

/// What is in the way of session files.
#[derive(Clone, Copy, Debug)]
pub enum Obstacle {
    /// The disk takes no more of this session's file.
    Refuse(usize),
    /// It takes all again.
    Take,
    /// Syncs of session files wait from the next on.
    Hold,
    /// One does; this is waited for.
    Held,
    /// The next sync of this session's file in the background fails, and all that was written but the last is lost; nobody
    /// is told so before they go on.
    Lose(usize),
    /// They go on. Ends when nothing more happens.
    Go,
}

/// One process does something.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which one.
    pub process: usize,
    /// What.
    pub act: Act,
}

/// What is asked of a log, step by step.
#[derive(Clone, Debug)]
pub struct Script {
    /// For people.
    pub name: String,
    /// How many processes have the log open.
    pub processes: usize,
    /// How many sessions there are.
    pub sessions: usize,
    /// How the log is set.
    pub settings: Settings,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Script {
    /// One process: first batches, groups of several sessions, archives, erasures, segments that
    /// fill up, and reopening.
    #[must_use]
    pub fn one() -> Self {
        let alone = |act| Step { process: 0, act };
        let append = |session, sizes: &[usize]| alone(Act::Append(vec![(session, sizes.to_vec())]));
        let mut steps = vec![
            append(0, &[20]),
            append(0, &[40, 5, 600]),
            append(1, &[0]),
            alone(Act::Append(
                (0..5)
                    .map(|session| (session, vec![30; session + 1]))
                    .collect(),
            )),
            // Several batches of one session in a group, some beyond a sector and a page.
            alone(Act::Append(
                [10, 700, 1, 5000]
                    .map(|size| (2, vec![size, size / 2]))
                    .into(),
            )),
            append(2, &[100]),
            alone(Act::Archive {
                session: 2,
                keep: 3,
            }),
            append(2, &[100, 1]),
            alone(Act::Erase { session: 1 }),
            append(1, &[50]),
        ];
        // Over the end of a segment, several times.
        steps.extend((0..12).map(|n| append(n % 5, &[900, 30])));
        steps.extend([
            alone(Act::Archive {
                session: 0,
                keep: 0,
            }),
            append(0, &[60]),
            alone(Act::Reopen),
            append(3, &[10, 20]),
            append(0, &[10]),
            alone(Act::Erase { session: 3 }),
            alone(Act::Erase { session: 0 }),
            alone(Act::Reopen),
            append(3, &[10, 20]),
            alone(Act::Archive {
                session: 4,
                keep: 2,
            }),
            alone(Act::Archive {
                session: 4,
                keep: 1,
            }),
            alone(Act::Append(
                (0..5).rev().map(|session| (session, vec![40])).collect(),
            )),
        ]);
        Self::new("one", 1, 5, steps)
    }

    /// Two processes write different sessions of one folder, and then those of the other.
    #[must_use]
    pub fn two() -> Self {
        let append = |process, session, sizes: &[usize]| Step {
            process,
            act: Act::Append(vec![(session, sizes.to_vec())]),
        };
        let mut steps = Vec::new();
        for round in 0..3 {
            for n in 0..3 {
                let first = round % 2;
                steps.push(append(first, n, &[30, 800]));
                steps.push(append(1 - first, 3 + n, &[10, 500, 20]));
            }
            steps.push(Step {
                process: round % 2,
                act: Act::Archive {
                    session: 0,
                    keep: 1,
                },
            });
            steps.push(Step {
                process: 1 - round % 2,
                act: Act::Erase { session: 3 },
            });
            // Each lets all go, so that the other can take it.
            steps.extend([0, 1].map(|process| Step {
                process,
                act: Act::Reopen,
            }));
        }
        steps.push(append(0, 5, &[10]));
        steps.push(append(1, 0, &[10]));
        Self::new("two", 2, 6, steps)
    }

    /// Two processes hand sessions over by leaving them alone for a while.
    #[must_use]
    pub fn idle() -> Self {
        let append = |process, session: usize| Step {
            process,
            act: Act::Append(vec![(session, vec![200, 10]), (session + 1, vec![30])]),
        };
        let mut steps = Vec::new();
        for round in 0..4 {
            let process = round % 2;
            let idle = Act::Idle;
            steps.extend([append(process, 0), append(process, 1)]);
            steps.push(Step { process, act: idle });
        }
        let settings = Settings {
            idle: Duration::from_millis(2),
            ..Settings::default()
        };
        Self {
            settings,
            ..Self::new("idle", 2, 3, steps)
        }
    }

    /// Many more sessions than are owned at once.
    #[must_use]
    pub fn crowd() -> Self {
        let all = |size: usize| Step {
            process: 0,
            act: Act::Append((0..12).map(|session| (session, vec![size])).collect()),
        };
        let one = |session: usize| Step {
            process: 0,
            act: Act::Append(vec![(session, vec![50])]),
        };
        let mut steps = vec![all(10)];
        steps.extend((0..12).map(|n| one(n * 5 % 12)));
        steps.push(all(300));
        let settings = Settings {
            open_threads: 8,
            ..Settings::default()
        };
        Self {
            settings,
            ..Self::new("crowd", 1, 12, steps)
        }
    }

    /// A session whose file the disk refuses while segments end: what the journal has of it is carried on from one to
    /// the next, behind newer records of it.
    #[must_use]
    pub fn behind() -> Self {
        let alone = |act| Step { process: 0, act };
        let append = |session, sizes: &[usize]| alone(Act::Append(vec![(session, sizes.to_vec())]));
        let obstacle = |obstacle| alone(Act::Obstacle(obstacle));
        // Larger than a segment.
        let fill = || append(1, &[5000]);
        let mut steps = vec![append(1, &[20])];
        for round in 0..2 {
            steps.extend([
                // Whoever makes session files durable is busy when the next segment ends, ...
                obstacle(Obstacle::Hold),
                fill(),
                obstacle(Obstacle::Held),
                append(0, &[300, 40]),
                fill(),
                // ... so that it is given up when the one behind it has newer records of the session.
                obstacle(Obstacle::Refuse(0)),
                append(0, &[200 + round]),
                append(1, &[30]),
                obstacle(Obstacle::Go),
                fill(),
                obstacle(Obstacle::Go),
                obstacle(Obstacle::Take),
                append(0, &[10]),
                append(1, &[10]),
            ]);
        }
        Self::new("behind", 1, 2, steps)
    }

    /// A session file is made durable in the background, which fails, and takes with it what was written: nobody is told
    /// so for long. Meanwhile it is read, written and archived.
    #[must_use]
    pub fn late() -> Self {
        let alone = |act| Step { process: 0, act };
        let append = |session, sizes: &[usize]| alone(Act::Append(vec![(session, sizes.to_vec())]));
        let obstacle = |obstacle| alone(Act::Obstacle(obstacle));
        let archive = |keep| alone(Act::Archive { session: 0, keep });
        let look = || alone(Act::Look);
        // Larger than a segment.
        let fill = || append(1, &[5000]);
        let mut steps = vec![append(0, &[20, 30, 10]), fill(), obstacle(Obstacle::Go)];
        let meanwhile = [
            vec![],
            vec![append(0, &[50])],
            // What stays has a line in front of those that are lost, and one behind them.
            vec![archive(4)],
            vec![append(0, &[50]), archive(5)],
            vec![archive(4), append(0, &[50])],
        ];
        for meanwhile in meanwhile {
            steps.extend([append(0, &[40, 10]), append(0, &[300])]);
            steps.extend([
                obstacle(Obstacle::Lose(0)),
                fill(),
                obstacle(Obstacle::Held),
            ]);
            steps.extend(meanwhile);
            steps.extend([look(), obstacle(Obstacle::Go), look(), append(0, &[10])]);
            // It is durable now.
            steps.extend([fill(), obstacle(Obstacle::Go)]);
        }
        steps.extend([alone(Act::Reopen), look()]);
        Self::new("late", 1, 2, steps)
    }

    /// Events that are acknowledged before they are durable.
    #[must_use]
    pub fn early(name: &str, durability: Durability) -> Self {
        let alone = |act| Step { process: 0, act };
        let append = |session, sizes: &[usize]| alone(Act::Append(vec![(session, sizes.to_vec())]));
        let mut steps = Vec::new();
        for round in 0..3 {
            steps.extend([
                append(0, &[20, 700]),
                append(1, &[5]),
                append(0, &[30]),
                alone(Act::Append(
                    (0..3).map(|session| (session, vec![40; 2])).collect(),
                )),
                alone(Act::Seen),
                append(2, &[3000]),
                append(0, &[10]),
                append(2, &[900, 900]),
            ]);
            steps.extend(match round {
                0 => [
                    Act::Archive {
                        session: 0,
                        keep: 2,
                    },
                    Act::Reopen,
                ]
                .map(alone),
                1 => [Act::Erase { session: 1 }, Act::Seen].map(alone),
                _ => [Act::Seen, Act::Reopen].map(alone),
            });
        }
        steps.extend([append(1, &[10]), append(0, &[10])]);
        Self::new(name, 1, 3, steps).with_durability(name, durability)
    }

    /// The same script under another name, with this durability.
    #[must_use]
    pub fn with_durability(mut self, name: &str, durability: Durability) -> Self {
        self.name = name.to_owned();
        self.settings.durability = durability;
        self
    }

    /// Steps by chance. Every session has one writer at a time.
    #[must_use]
    pub fn random(seed: u64, processes: usize, steps: usize) -> Self {
        let mut random = Rng::with_seed(seed);
        let sessions = 4;
        let mut owners: Vec<Option<usize>> = vec![None; sessions];
        let steps = (0..steps).map(|_| {
            let process = random.usize(..processes);
            let free: Vec<usize> = (0..sessions)
                .filter(|session| owners[*session].is_none_or(|owner| owner == process))
                .collect();
            let Some(session) = random.choice(&free).copied() else {
                owners.retain_mut(|owner| {
                    *owner = owner.filter(|owner| *owner != process);
                    true
                });
                return Step {
                    process,
                    act: Act::Reopen,
                };
            };
            owners[session] = Some(process);
            let act = match random.u32(..20) {
                0 => {
                    for owner in &mut owners {
                        *owner = owner.filter(|owner| *owner != process);
                    }
                    Act::Reopen
                }
                1 | 2 => Act::Archive {
                    session,
                    keep: random.u64(..4),
                },
                3 => Act::Erase { session },
                4..=7 => {
                    let some = (0..random.usize(2..6)).map(|_| {
                        let session = free[random.usize(..free.len())];
                        owners[session] = Some(process);
                        (session, batch(&mut random))
                    });
                    Act::Append(some.collect())
                }
                _ => Act::Append(vec![(session, batch(&mut random))]),
            };
            Step { process, act }
        });
        let steps = steps.collect();
        Self::new(&format!("random-{seed}"), processes, sessions, steps)
    }

    fn new(name: &str, processes: usize, sessions: usize, steps: Vec<Step>) -> Self {
        Self {
            name: name.to_owned(),
            processes,
            sessions,
            settings: Settings::default(),
            steps,
        }
    }
}

fn batch(random: &mut Rng) -> Vec<usize> {
    let events = random.usize(1..4);
    let size = |random: &mut Rng| match random.u32(..10) {
        0 => random.usize(1000..6000),
        _ => random.usize(..300),
    };
    (0..events).map(|_| size(random)).collect()
}
