//! Every whole-process test, in one binary.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise, and says which")]
#![expect(clippy::print_stdout, reason = "a failed test shows the seed it can be had again from")]

mod admin;
mod authorization;
mod avatars;
mod bad_input;
mod command_line;
mod console;
mod contracts;
mod data_classes;
mod door;
mod enumeration;
mod feed;
mod flows;
mod forward_auth;
mod gateway;
mod headers;
mod import;
mod inbox;
mod independence;
mod invitations;
mod jobs;
mod kill;
mod links;
mod lockout;
mod magic_link;
mod mail;
mod notices;
mod openapi;
mod overload;
mod pages;
mod panel;
mod passwords;
mod personal_data;
mod preferences;
mod profiles;
mod push;
mod quiz;
mod refresh;
mod roles;
mod search;
mod secrecy;
mod send;
mod sendgrid;
mod sessions;
mod setup_link;
mod signals;
mod start_and_stop;
mod statements;
mod statistics;
mod tokens;
mod trust;
mod webhooks;
