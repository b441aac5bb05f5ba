//! The pages as a browser meets them: real use cases, a real database, no network.

mod accounts;
mod console;
mod entering;
mod forgery;
mod markup;
mod pictures;
mod site;
