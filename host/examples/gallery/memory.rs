//! The gallery in memory: what the plugin serves, and what runs within a test as it is.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use plugline_sdk::{CallFailed, Context, Items, Kind, Level};

use super::contract::{
    Curator as _, CuratorClient, CuratorError, Failing, Gallery, GalleryError, Passed, Picture, Point, Shape,
};

/// Remembers what it was told.
#[derive(Default)]
pub(crate) struct Memory {
    notes: Mutex<Vec<String>>,
}

impl Memory {
    fn add(&self, note: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }
}

impl Gallery for Memory {
    fn echo(&self, picture: &Picture) -> Result<Picture, GalleryError> {
        Ok(picture.clone())
    }

    fn pass(
        &self,
        shapes: &[Shape],
        size: u32,
        title: &str,
        r#type: String,
        point: &Point,
        frame: Option<u8>,
        note: Option<&str>,
        centre: Option<&Point>,
        tags: Option<&[String]>,
    ) -> Result<Passed, GalleryError> {
        Ok(Passed {
            shapes: shapes.to_vec(),
            size,
            title: title.to_owned(),
            kind: r#type,
            point: *point,
            frame,
            note: note.map(str::to_owned),
            centre: centre.copied(),
            tags: tags.map(<[String]>::to_vec),
        })
    }

    fn nothing(&self) -> Result<(), GalleryError> {
        Ok(())
    }

    fn fail(&self, how: &Failing) -> Result<(), GalleryError> {
        Err(match how {
            Failing::Missing => GalleryError::Missing,
            Failing::Full(room) => GalleryError::Full(*room),
            Failing::Taken { by } => GalleryError::Taken { by: by.clone(), paid: None },
            Failing::Other => CallFailed::new(Kind::PluginExited, "another plugin ended").into(),
            Failing::Panic => panic!("as it was told"),
        })
    }

    fn wait(&self, context: &Context) -> Result<(), GalleryError> {
        context.progress(0.0, None, Some("it waits"));
        context.sleep(Duration::from_secs(3600))?;
        Ok(())
    }

    fn work(&self, context: &Context, steps: u32) -> Result<u32, GalleryError> {
        for step in 1..=steps {
            context.check()?;
            context.progress(step.into(), Some(steps.into()), None);
            // Less than before: not told.
            context.progress(0.0, None, None);
        }
        Ok(steps)
    }

    fn note(&self, text: &str) {
        self.add(text.to_owned());
    }

    fn note_surely(&self, text: String) -> Result<(), CallFailed> {
        self.add(text);
        Ok(())
    }

    fn notes(&self) -> Result<Vec<String>, CallFailed> {
        Ok(self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn count(
        &self,
        end: u64,
        fail_at: Option<u64>,
    ) -> Result<Items<u64, GalleryError, String>, GalleryError> {
        if end == 0 {
            return Err(GalleryError::Missing);
        }
        let numbers = (0..end).map(move |number| match fail_at {
            Some(at) if at == number => Err(GalleryError::Full(u32::try_from(number).unwrap_or(u32::MAX))),
            _ => Ok(number),
        });
        Ok(Items::new(numbers).with_summary(move || Ok(format!("{end} numbers"))))
    }

    fn forever(&self, context: &Context) -> Result<Items<u64, GalleryError>, GalleryError> {
        let context = context.clone();
        Ok(Items::new((0..).map(move |number| context.check().map(|()| number).map_err(GalleryError::from))))
    }

    fn sum(&self, mut numbers: Items<i64, CallFailed>) -> Result<i64, GalleryError> {
        Ok(numbers.try_fold(0, |sum, number| number.map(|number| sum + number))?)
    }

    fn first(&self, least: i64, numbers: Items<i64, CallFailed>) -> Result<Option<i64>, GalleryError> {
        for number in numbers {
            let number = number?;
            if number >= least {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn double(&self, numbers: Items<i64, CallFailed>) -> Result<Items<i64, GalleryError>, GalleryError> {
        Ok(Items::new(numbers.map(|number| Ok(number? * 2))))
    }

    fn ask(&self, context: &Context, question: &str) -> Result<String, GalleryError> {
        let curator: CuratorClient = context.client()?;
        curator.asked(question);
        match curator.answer(context, question) {
            Ok(answer) => Ok(answer),
            Err(CuratorError::Rude { question }) => Err(GalleryError::Taken { by: question, paid: None }),
            Err(CuratorError::Call(failed)) => Err(failed.into()),
        }
    }

    fn log(&self, context: &Context, text: &str) -> Result<(), GalleryError> {
        context.log(Level::Warn, text);
        Ok(())
    }
}
