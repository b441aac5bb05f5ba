//! What every page of the console has round its content: who is here, and where they can go.

use users::{Account, DisplayName, may};

use super::visit::Desk;
use crate::Pages;
use crate::csrf::Binding;
use crate::shell::{Notice, Shell, initials, picture};

/// A part of the console, with a page of its own in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What goes on.
    Overview,
    /// Who there is.
    Users,
    /// What they may do.
    Roles,
    /// Where requests go.
    Routes,
    /// What tokens are signed with.
    Keys,
    /// Which programs are told what happens.
    Webhooks,
    /// What people are told, and what became of it.
    Deliveries,
    /// How that is put.
    Templates,
    /// How all of it is set up.
    Settings,
}

impl Section {
    /// All of them, in the order of the navigation.
    pub const ALL: [Self; 9] = [
        Self::Overview,
        Self::Users,
        Self::Roles,
        Self::Routes,
        Self::Keys,
        Self::Deliveries,
        Self::Templates,
        Self::Webhooks,
        Self::Settings,
    ];

    /// Where it is.
    pub const fn address(self) -> &'static str {
        match self {
            Self::Overview => "/admin/overview",
            Self::Users => "/admin/users",
            Self::Roles => "/admin/roles",
            Self::Routes => "/admin/routes",
            Self::Keys => "/admin/keys",
            Self::Webhooks => "/admin/webhooks",
            Self::Deliveries => "/admin/deliveries",
            Self::Templates => "/admin/templates",
            Self::Settings => "/admin/settings",
        }
    }

    /// What its pages are read with: whoever lacks it does not see the entry.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Overview | Self::Users => may::USERS_READ,
            Self::Roles => may::ROLES_READ,
            Self::Routes => may::GATEWAY_READ,
            Self::Keys => may::KEYS_READ,
            Self::Webhooks => may::WEBHOOKS_READ,
            Self::Deliveries | Self::Templates => may::NOTIFICATIONS_READ,
            Self::Settings => may::SETTINGS_READ,
        }
    }

    /// Its words in the navigation.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Users => "Users",
            Self::Roles => "Roles",
            Self::Routes => "Routes and limits",
            Self::Keys => "Keys",
            Self::Webhooks => "Webhooks",
            Self::Deliveries => "Queue",
            Self::Templates => "Templates",
            Self::Settings => "Settings",
        }
    }

    /// Its picture in the sprite.
    pub const fn icon(self) -> &'static str {
        match self {
            Self::Overview => "layout-dashboard",
            Self::Users => "users",
            Self::Roles => "shield-check",
            Self::Routes => "route",
            Self::Keys => "key-round",
            Self::Webhooks => "external-link",
            Self::Deliveries => "activity",
            Self::Templates => "mail",
            Self::Settings => "settings",
        }
    }

    /// The heading that it stands under, if any.
    const fn group(self) -> &'static str {
        match self {
            Self::Overview | Self::Settings => "",
            Self::Users | Self::Roles => "People",
            Self::Routes | Self::Keys => "Doors",
            Self::Deliveries | Self::Templates | Self::Webhooks => "Mail and messages",
        }
    }
}

/// Entries of the navigation that belong together.
pub struct Group {
    /// Their heading; empty for those that need none.
    pub title: &'static str,
    /// Those that the visitor may open.
    pub sections: Vec<Section>,
}

/// How somebody is shown where there is little room.
pub struct Face {
    /// Their name, or their address if they gave none.
    pub name: String,
    /// One or two letters.
    pub initials: String,
    /// One of the stylesheet's six colours, always the same for the same person.
    pub tint: u8,
    /// The address of their picture, if it is kept here.
    pub picture: Option<String>,
}

impl Face {
    /// This account's.
    pub fn new(account: &Account) -> Self {
        let name = account.name.as_ref().map_or(account.email.as_str(), DisplayName::as_str);
        Self {
            initials: initials(name),
            name: name.to_owned(),
            tint: users::avatar::tint(account.id),
            picture: picture(account, 64),
        }
    }

    /// This account's, where it is shown large.
    pub fn large(account: &Account) -> Self {
        Self { picture: picture(account, 256), ..Self::new(account) }
    }
}

/// The words round the content of a page.
pub struct Frame {
    /// As on every page.
    pub shell: Shell,
    /// For every form of the page.
    pub csrf: String,
    /// Who is looking.
    pub me: Face,
    /// Where they can go.
    pub groups: Vec<Group>,
    /// Where they are.
    pub here: Section,
    /// Whether they may look for people.
    pub finds_people: bool,
    /// What has just happened.
    pub notice: Option<Notice>,
}

impl Frame {
    /// Round a page of this section.
    pub fn new(pages: &Pages, desk: &Desk, here: Section) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for section in Section::ALL.into_iter().filter(|section| desk.may(section.permission())) {
            match groups.last_mut().filter(|group| group.title == section.group()) {
                Some(group) => group.sections.push(section),
                None => groups.push(Group { title: section.group(), sections: vec![section] }),
            }
        }
        Self {
            shell: Shell::new(&desk.context.request_id),
            csrf: Binding::Session(desk.visitor.session.id).token(pages.auth.cookie_key()),
            me: Face::new(&desk.visitor.account),
            groups,
            here,
            finds_people: desk.may(may::USERS_READ),
            notice: None,
        }
    }

    /// With these words above the content.
    #[must_use]
    pub fn saying(mut self, notice: Option<Notice>) -> Self {
        self.notice = notice;
        self
    }
}
