//! Questions to AWS before the first change: read-only calls that tell whether it accepts a value that a plan is about to set.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{sync::OnceCell, time::timeout};

use super::{Error, ErrorKind, Named, Ref, ReferencedOutput, Result};

/// Time for an answer. A question that takes longer stays open, and the plan is made without it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// An answer, or a question that is being asked; `None` without an answer.
type Answer = Arc<OnceCell<Option<Value>>>;

/// Answers of one account and region, each asked for once.
#[derive(Debug, Default)]
pub struct Answers {
    by_question: Mutex<BTreeMap<(&'static str, String), Answer>>,
    failures: Mutex<BTreeMap<&'static str, Error>>,
}

impl Answers {
    /// The first failure of each action, by action. Questions that the endpoint does not know are no failures: a stand-in answers a few only.
    pub fn failures(&self) -> BTreeMap<&'static str, Error> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, action: &'static str, parameters: &str) -> Answer {
        let mut all = self.by_question.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((action, parameters.to_owned())).or_default().clone()
    }

    fn fail(&self, action: &'static str, error: Error) {
        if matches!(error.kind, ErrorKind::AccessDenied | ErrorKind::Throttled) || error.code == TIMED_OUT {
            self.failures.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_insert(error);
        }
    }
}

/// Code of a question without a timely answer.
const TIMED_OUT: &str = "TimedOut";

/// Asks about one resource of a plan.
pub struct Questions<'a, A> {
    api: Option<&'a A>,
    context: PreflightContext<'a>,
}

/// Number of resources of a type that an account can have in a region, and that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLimit {
    /// Quota.
    pub most: u64,
    /// Number of existing resources, of all stacks and others.
    pub used: u64,
}

/// Context of the questions about a plan.
#[derive(Clone, Copy)]
pub struct PreflightContext<'a> {
    /// Region of the resources.
    pub region: &'a str,
    /// Answers so far.
    pub answers: &'a Answers,
    /// Returns the resource of the plan that a reference points to.
    pub planned: &'a (dyn Fn(&str) -> Option<PlannedResource> + Sync),
}

/// Another resource of a plan.
#[derive(Clone, Debug)]
pub struct PlannedResource {
    /// Its spec. Strings may contain `${…}` references.
    pub spec: Value,
    /// Whether the plan creates or replaces it.
    pub is_created: bool,
}

impl<'a, A: Sync> Questions<'a, A> {
    /// Creates questions to this back end, `None` for the simulated cloud.
    pub fn new(api: Option<&'a A>, context: PreflightContext<'a>) -> Questions<'a, A> {
        Questions { api, context }
    }

    /// Region of the resource.
    pub fn region(&self) -> &str {
        self.context.region
    }

    /// Whether the resource is in the simulated cloud, which knows what AWS publishes.
    pub fn is_simulated(&self) -> bool {
        self.api.is_none()
    }

    /// Returns the answer to a question: an IAM action, and the parameters that tell it from others with this action. `call` makes the
    /// calls, at most once for equal questions. `None` without an answer, and in the simulated cloud.
    pub async fn ask<T, F>(&self, action: &'static str, parameters: &str, call: impl FnOnce(&'a A) -> F + Send) -> Option<T>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T>> + Send,
    {
        let api = self.api?;
        let answer = self.context.answers.answer(action, &format!("{} {parameters}", self.context.region));
        let asked = async {
            let late = |_| Err(Error::new(ErrorKind::Unavailable, TIMED_OUT, format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())));
            match timeout(ANSWER_TIMEOUT, call(api)).await.unwrap_or_else(late) {
                Ok(answer) => serde_json::to_value(answer).ok(),
                Err(error) => {
                    self.context.answers.fail(action, error);
                    None
                }
            }
        };
        T::deserialize(answer.get_or_init(|| asked).await.as_ref()?).ok()
    }

    /// Same, with the answer of the simulated cloud in a region: a list that AWS publishes.
    pub async fn ask_or_simulate<T, F>(
        &self,
        action: &'static str,
        parameters: &str,
        simulated: impl FnOnce(&str) -> T + Send,
        call: impl FnOnce(&'a A) -> F + Send,
    ) -> Option<T>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<T>> + Send,
    {
        match self.api {
            None => Some(simulated(self.context.region)),
            Some(_) => self.ask(action, parameters, call).await,
        }
    }

    /// Returns the planned spec of another resource of the stack; `None` for one outside it. Strings may contain `${…}` references.
    pub fn planned<T: Named + DeserializeOwned, B: ReferencedOutput>(&self, reference: &Ref<T, B>) -> Option<T> {
        T::deserialize((self.context.planned)(reference.get())?.spec).ok()
    }

    /// Whether the plan creates or replaces another resource of the stack.
    pub fn creates<T: Named, B: ReferencedOutput>(&self, reference: &Ref<T, B>) -> bool {
        (self.context.planned)(reference.get()).is_some_and(|planned| planned.is_created)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Asks, and counts the calls.
    async fn ask(answers: &Answers, calls: &AtomicU32, parameters: &str, answer: Result<Vec<String>>) -> Option<Vec<String>> {
        let questions = Questions::new(Some(calls), PreflightContext { region: "eu-west-1", answers, planned: &|_| None });
        let call = |calls: &AtomicU32| {
            calls.fetch_add(1, Ordering::Relaxed);
            async {
                tokio::task::yield_now().await;
                answer
            }
        };
        questions.ask("a:List", parameters, call).await
    }

    #[tokio::test]
    async fn asks_each_question_once() {
        let (answers, calls) = (Answers::default(), AtomicU32::new(0));
        let offered = || Ok(vec!["a".to_owned()]);
        let (one, same) = tokio::join!(ask(&answers, &calls, "x", offered()), ask(&answers, &calls, "x", offered()));
        assert_eq!((one, same), (offered().ok(), offered().ok()));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        ask(&answers, &calls, "y", offered()).await;
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn reports_denied_questions_but_not_unknown_ones() {
        let (answers, calls) = (Answers::default(), AtomicU32::new(0));
        let unknown = Error::new(ErrorKind::Rejected, "InvalidAction", "");
        assert_eq!(ask(&answers, &calls, "x", Err(unknown)).await, None);
        assert!(answers.failures().is_empty());
        for parameters in ["y", "z", "y"] {
            let denied = Error::new(ErrorKind::AccessDenied, "AccessDenied", "not authorized");
            assert_eq!(ask(&answers, &calls, parameters, Err(denied)).await, None);
        }
        assert_eq!(answers.failures().len(), 1);
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }
}
