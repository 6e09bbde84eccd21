//! Moving one thread, page by page.

mod hide;

use std::sync::Arc;

use bus_core::ThreadKey;
use chrono::{DateTime, Utc};

use super::ReplicateError;
use super::compare::{Compared, Last, compare_last, compare_page};
use crate::log::recorded_bytes;
use crate::panic::caught;
use crate::{Bounds, Entry, Expect, LogError, LogErrorKind, Page, Result as LogResult, SessionLog};

/// Events of one page.
const PAGE: usize = 1024;

/// How often the same bounds are looked at before somebody contradicts himself.
const SAME_LOOKS: u32 = 8;

/// What of the source's hiding the target follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hides {
    Nothing,
    /// Erasures, and archives of what was ever erased: a thread does not say what hid its events.
    Erased,
    All,
}

/// Takes one thread's events from a log to another.
pub(crate) struct Courier {
    from: Arc<dyn SessionLog>,
    to: Arc<dyn SessionLog>,
    key: ThreadKey,
    hides: Hides,
    /// `None`: it has to look first.
    place: Option<Place>,
    /// The last event that both have was compared.
    checked: bool,
    looked: (Option<(Bounds, Bounds)>, u32),
    /// The last common event differs: the first one that does is looked for.
    search: Option<Search>,
    /// Where they differed before.
    suspect: Option<u64>,
    /// The target was found ahead before: nothing is moved behind events that can't be compared.
    must_compare: bool,
    /// The first ordinal that the target ever had; 0 if it is not known to have had any.
    had: u64,
    news: News,
}

/// What a courier found on its way, whether it came to move anything or not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Where the copy stands, and the source's last ordinal.
    pub(crate) place: Option<(u64, u64)>,
    /// What the target says of itself.
    pub(crate) target: Option<Bounds>,
    /// The last event that both have is there, and is the same.
    pub(crate) compared: Option<u64>,
    /// The target has hidden the last event that both have, of which the source can still read its own: whether they are
    /// the same nobody can say.
    pub(crate) uncompared: Option<u64>,
    /// The first event that was not copied yet, and its time.
    pub(crate) oldest: Option<(u64, DateTime<Utc>)>,
}

/// What is left to compare.
#[derive(Clone, Copy)]
struct Search {
    cursor: u64,
    until: u64,
}

/// Where the next page begins, and what the target must say to it.
#[derive(Clone, Copy)]
struct Place {
    cursor: u64,
    expect: Expect,
}

/// What one step did.
#[derive(Debug)]
pub(crate) enum Step {
    Moved(Moved),
    /// A page was compared, or hidden; to be called again.
    Compared,
    Level(Level),
}

/// There was nothing to move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// The source's last ordinal.
    pub(crate) source: u64,
    /// The target's: the same, or 0 where the source has hidden all that it had, and the target never
    /// had any of it.
    pub(crate) target: u64,
    /// How far the source has hidden its events, if any were ever erased.
    pub(crate) erased: u64,
}

/// A page that is durable in the target.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) bytes: u64,
    /// The source had more when it was read.
    pub(crate) more: bool,
}

impl Courier {
    pub(crate) fn new(
        from: Arc<dyn SessionLog>,
        to: Arc<dyn SessionLog>,
        key: ThreadKey,
        hides: Hides,
    ) -> Self {
        Self {
            from,
            to,
            key,
            hides,
            place: None,
            checked: false,
            looked: (None, 0),
            search: None,
            suspect: None,
            must_compare: false,
            had: 0,
            news: News::default(),
        }
    }

    /// What was found since this was last asked.
    pub(crate) fn news(&mut self) -> Option<News> {
        let news = std::mem::take(&mut self.news);
        (news != News::default()).then_some(news)
    }

    /// The same where both are known to have differed at an ordinal: it is looked at first.
    pub(crate) const fn suspecting(mut self, ordinal: Option<u64>) -> Self {
        self.suspect = ordinal;
        self
    }

    /// The same where the target may have been found ahead before: then the thread goes on only where the last event that
    /// both have can be compared. To have reached the target's last ordinal meanwhile proves nothing.
    pub(crate) const fn distrusting(mut self, was_ahead: bool) -> Self {
        self.must_compare = was_ahead;
        self
    }

    /// The same where the target is known to have had this ordinal, and none before it: a target without any has lost them,
    /// and what its source has hidden of them is nowhere.
    pub(crate) const fn had_from(mut self, ordinal: u64) -> Self {
        self.had = ordinal;
        self
    }

    /// The same where the target's last ordinal is known, and its events to be the source's.
    pub(crate) const fn knowing(mut self, last: u64) -> Self {
        // Of an unknown thread it is not known whether its first events were archived meanwhile.
        if last > 0 {
            self.place = Some(Place {
                cursor: last,
                expect: Expect::Last(last),
            });
            self.checked = true;
        }
        self
    }

    /// Moves a page, compares or hides one, or finds that there is nothing to move. After an error, or dropped, it may
    /// be called again: it looks anew, or goes on to compare.
    pub(crate) async fn step(&mut self) -> Result<Step, ReplicateError> {
        if let Some(search) = self.search {
            return self.search(search).await;
        }
        loop {
            // Taken out: whoever drops this call leaves it to look anew.
            let place = match self.place.take() {
                Some(place) => place,
                None => match self.look().await? {
                    Look::At(place) => place,
                    Look::Again => continue,
                    Look::Hiding => {
                        self.looked = (None, 0);
                        return Ok(Step::Compared);
                    }
                    Look::Search(search) => {
                        self.search = Some(search);
                        return Ok(Step::Compared);
                    }
                    Look::Level(level) => {
                        self.looked = (None, 0);
                        return Ok(Step::Level(level));
                    }
                },
            };
            if let Some(moved) = self.carry(place).await? {
                self.looked = (None, 0);
                return Ok(Step::Moved(moved));
            }
        }
    }

    /// Moves the page at `place`; `None` if the place is no longer right.
    async fn carry(&mut self, place: Place) -> Result<Option<Moved>, ReplicateError> {
        let page = self.from.read_raw(&self.key, place.cursor, PAGE);
        let page = self.of_source(caught(page).await)?;
        let (Some(first), Some(last)) = (page.events.first().map(|e| e.ordinal), page.last())
        else {
            return Ok(None);
        };
        if first != place.cursor + 1 {
            // Hidden meanwhile.
            return Ok(None);
        }
        self.check_unbroken(&page)?;
        self.news.oldest = page.events.first().map(|event| (first, event.at));
        let more = page.more;
        let bytes = page.events.iter().map(|e| recorded_bytes(e) as u64).sum();
        let entries: Vec<Entry> = page.events.into_iter().map(Entry::from).collect();
        let append = self.to.append_entries(&self.key, place.expect, &entries);
        // Unless it succeeds, somebody else's events may be there.
        self.checked = false;
        match caught(append).await.unwrap_or_else(Err) {
            Ok(ordinal) if ordinal == last => {
                self.checked = true;
                self.place = Some(Place {
                    cursor: last,
                    expect: Expect::Last(last),
                });
                let moved = Moved {
                    first,
                    last,
                    bytes,
                    more,
                };
                Ok(Some(moved))
            }
            Ok(ordinal) => {
                let error = format!("target numbers otherwise: {ordinal}, not {last}");
                self.of_target(Ok(Err(LogError::internal(error))))
            }
            Err(error) if error.kind() == LogErrorKind::Conflict => {
                // Another copy, or our own of which the answer was lost, or somebody else's events.
                Ok(None)
            }
            Err(error) => self.of_target(Ok(Err(error))),
        }
    }

    fn check_unbroken(&self, page: &Page) -> Result<(), ReplicateError> {
        for pair in page.events.windows(2) {
            if let [one, next] = pair
                && next.ordinal != one.ordinal + 1
            {
                let (one, next) = (one.ordinal, next.ordinal);
                let error = format!("page with a hole: ordinal {next} after {one}");
                return self.of_source(Ok(Err(LogError::internal(error))));
            }
        }
        Ok(())
    }

    /// Finds out where to go on. The target is asked first: its source can only have grown since.
    async fn look(&mut self) -> Result<Look, ReplicateError> {
        let target = self.of_target(caught(self.to.bounds(&self.key)).await)?;
        let source = self.of_source(caught(self.from.bounds(&self.key)).await)?;
        self.count_look(source, target)?;
        self.news.target = Some(target);
        if target.last > source.last {
            return Err(ReplicateError::Ahead {
                key: self.key.clone(),
                source_last: source.last,
                target_last: target.last,
            });
        }
        let hides_more = target.watermark > source.watermark && source.readable() > 0;
        if source.erased && target.erased && hides_more && target.readable() == 0 {
            // An erasure that came too late took what was copied after it. Where the target can read its last event,
            // that one is compared: what is hidden before it, its keeper may have archived.
            return Err(ReplicateError::Hidden {
                key: self.key.clone(),
                first: source.watermark + 1,
                last: target.watermark,
            });
        }
        if !self.checked && target.last > 0 {
            match compare_last((&*self.from, &*self.to), &self.key, (source, target)).await? {
                Last::Differs => return self.differs(source, target).await.map(Look::Search),
                Last::Same => self.news.compared = Some(target.last),
                // Nothing says that what differed is gone there: it is somebody else's, and not to be erased.
                Last::Hidden if self.differed_within(target) => {
                    return Err(ReplicateError::Differs {
                        key: self.key.clone(),
                        ordinal: self.suspect.unwrap_or(target.last),
                    });
                }
                Last::Hidden if self.must_compare => {
                    return Err(self.unsettled(source, target));
                }
                Last::Hidden if source.watermark < target.last => {
                    self.news.uncompared = Some(target.last);
                }
                Last::Hidden => {}
            }
        }
        self.checked = true;
        if self.hides_more(source, target) {
            return self.hide(source, target).await;
        }
        let level = Level {
            source: source.last,
            target: target.last,
            erased: if source.erased { source.watermark } else { 0 },
        };
        let has_lost = (1..=source.watermark).contains(&self.had) && !source.erased;
        let place = match target.last {
            0 if has_lost => return Err(self.gap(self.had - 1, source.watermark)),
            0 if source.readable() == 0 => return Ok(Look::Level(level)),
            0 if source.watermark > 0 => Place {
                cursor: source.watermark,
                expect: Expect::StartAt(source.first),
            },
            last if last == source.last => return Ok(Look::Level(level)),
            last if last < source.watermark => return Err(self.gap(last, source.watermark)),
            last => Place {
                cursor: last,
                expect: Expect::Last(last),
            },
        };
        self.news.place = Some((place.cursor, source.last));
        Ok(Look::At(place))
    }

    /// Two logs that always say the same and never let a page through would be looked at for ever.
    fn count_look(&mut self, source: Bounds, target: Bounds) -> Result<(), ReplicateError> {
        let looked = Some((source, target));
        if self.looked.0 != looked {
            self.looked = (looked, 0);
        }
        self.looked.1 += 1;
        if self.looked.1 > SAME_LOOKS {
            self.looked = (None, 0);
            let error = format!(
                "log contradicts itself: a page after ordinal {} is neither there nor hidden",
                target.last
            );
            return self.of_target(Ok(Err(LogError::internal(error))));
        }
        Ok(())
    }

    /// Whether they differed at an event that the target still shows.
    fn differed_within(&self, target: Bounds) -> bool {
        let shows = |at| at > target.watermark && at <= target.last;
        self.suspect.is_some_and(shows)
    }

    /// The target was ahead, and what both have can't be compared any more.
    fn unsettled(&self, source: Bounds, target: Bounds) -> ReplicateError {
        let key = self.key.clone();
        if target.watermark > source.watermark {
            return ReplicateError::Hidden {
                key,
                first: source.watermark + 1,
                last: target.watermark,
            };
        }
        ReplicateError::Ahead {
            key,
            source_last: source.last,
            target_last: target.last,
        }
    }

    /// They differ: an error if it is where they did before, else what is to be searched. A long thread takes longer
    /// than one step may, and is not searched again each time that it is tried.
    async fn differs(&self, source: Bounds, target: Bounds) -> Result<Search, ReplicateError> {
        let (cursor, until) = (source.watermark.max(target.watermark), target.last);
        if let Some(suspect) = self.suspect.filter(|at| *at > cursor && *at <= until) {
            self.compare_page(suspect - 1, suspect).await?;
        }
        Ok(Search { cursor, until })
    }

    /// Looks through a page for the first difference, which is an error.
    async fn search(&mut self, search: Search) -> Result<Step, ReplicateError> {
        let page = self.compare_page(search.cursor, search.until).await?;
        // Where none was found, what differed was hidden meanwhile: it has to look anew.
        self.search = (!page.is_over).then_some(Search {
            cursor: page.cursor,
            ..search
        });
        Ok(Step::Compared)
    }

    async fn compare_page(&self, cursor: u64, until: u64) -> Result<Compared, ReplicateError> {
        let logs = (&*self.from, &*self.to);
        let page = compare_page(logs, &self.key, cursor, until).await?;
        match page.differs_at {
            Some(ordinal) => Err(ReplicateError::Differs {
                key: self.key.clone(),
                ordinal,
            }),
            None => Ok(page),
        }
    }

    fn gap(&self, target_last: u64, watermark: u64) -> ReplicateError {
        ReplicateError::Gap {
            key: self.key.clone(),
            first: target_last + 1,
            last: watermark,
        }
    }

    fn of_source<T>(&self, said: LogResult<LogResult<T>>) -> Result<T, ReplicateError> {
        said.unwrap_or_else(Err)
            .map_err(|error| ReplicateError::Source {
                key: self.key.clone(),
                error,
            })
    }

    fn of_target<T>(&self, said: LogResult<LogResult<T>>) -> Result<T, ReplicateError> {
        said.unwrap_or_else(Err)
            .map_err(|error| ReplicateError::Target {
                key: self.key.clone(),
                error,
            })
    }
}

enum Look {
    At(Place),
    /// Something was done: look once more.
    Again,
    /// A page was hidden, and there is more to hide.
    Hiding,
    Search(Search),
    Level(Level),
}
