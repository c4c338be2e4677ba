//! The terminal application: it decides and draws, it performs nothing. Effects go to `work`, outcomes come back.

pub mod action;
pub mod app;
pub mod decide;
pub mod keymap;
pub mod opener;
pub mod replay;
pub mod run;
pub mod screen;
pub mod theme;
pub mod tickets;
pub mod views;
pub mod widgets;
