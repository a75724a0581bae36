"""What a person is told about an error of the node, by its code: what to do now. The precise one stands below it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared_schema.service.translations import N_

SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "same-person": N_("A second person has to do this: whoever asks for a release cannot approve it."),
        "role": N_("Your role does not allow this. Ask somebody whose role does."),
        "wait": N_("It is too early. Where one person decides alone, a day lies between asking and approving."),
        "reason": N_("Please write a short reason."),
        "findings": N_("Every marked place needs a decision first."),
        "no-reviewer": N_("There is nobody who could review this. Add a second person first."),
        "no-policy": N_("The rules of a hub are needed first. Add a hub, become its member, and exchange once."),
        "no-hub": N_("Add a hub first."),
        "unreachable": N_("The hub does not answer. Everything stays here and is sent later by itself."),
        "person-unknown": N_("Nobody of this id works with this node."),
        "account-agency": N_("A partner needs an agency that takes part. Choose one, or add it under Agencies first."),
        "sign-on-link": N_("Please give an e-mail address, or the id that the city's own sign-in shows."),
        "sign-on-link-taken": N_("Another account here is linked with this already."),
        "sign-on-state": N_("That sign-in did not begin in this browser, or took too long. Please begin again."),
        "sign-on-issuer": N_("The answer did not come from the city's own sign-in. Tell your administrator."),
        "sign-on-token": N_("The answer of the city's own sign-in could not be checked. Tell your administrator."),
        "sign-on-address": N_("The settings of the city's own sign-in are not right. Tell your administrator."),
        "sign-on-refused": N_("The city's own sign-in said no. Try again, or sign in with your password."),
        "sign-on-unreachable": N_("The city's own sign-in does not answer. If you have a password here, use it."),
        "sign-on-nobody": N_(
            "The city's own sign-in knows you, this node does not yet. Ask your administrator to link your account."
        ),
        "agency-changed": N_("Somebody has changed this agency in the meantime. Nothing was saved yet."),
        "agency-name": N_("Please give the agency a name."),
        "agency-kinds": N_("Please tick at least one thing that the agency is."),
        "agency-roles": N_("Please tick at least one thing that the agency does."),
        "agency-contact": N_(
            "Look at the contacts: each one needs a name, and e-mail and telephone as people write them."
        ),
        "agency-id": N_("A short id has small letters, digits and dashes, for example youth-office."),
        "agency-known": N_("An agency has or had this short id. Please choose another one."),
        "agency-administers": N_("Somebody of this agency administers this node. Ask an administrator to end it."),
        "account-agency-ended": N_(
            "The agency of this person takes part no more. Let it take part again first, under Agencies."
        ),
        "agency-ended": N_("This agency takes part no more. Let it take part again before you change it."),
        "fixed": N_("Whoever runs the program has set this outside. It cannot be changed here."),
        "bad-settings": N_("A setting cannot be like this. The line below names it."),
        "fingerprint-mismatch": N_("This is not the hub's fingerprint. Ask its operator to read it out again."),
        "hub": N_("This cannot be the address of a hub. The line below says what it has to look like."),
        "enrolment-code": N_("The hub does not know this code, or it was used. Ask its operator for a new one."),
        "day": N_("Please give days as year, month and day, for example 2026-11-30."),
        "closed": N_(
            "Records from before were erased, as the retention rules say. Nothing can be added or corrected there."
        ),
        "retention-months": N_("So many months cannot be chosen here."),
        "nothing-to-erase": N_("There is nothing to erase: it is not old enough, or was not released."),
        "no-rule": N_("Set a rule first: after how many months these records may go."),
        "message": N_("This message is not here any more."),
        "setup": N_("Some answers are still missing, or cannot be read. Look at the list."),
        "setup-code": N_("This is not the code. Look at the window of the program."),
        "setup-code-over": N_("This code was used, or is older than an hour. Start the program anew for another one."),
        "same-id": N_("Two people have the same id. Everybody needs one of their own."),
        "alone": N_("One person works alone, or with one reviewer outside. Choose several if there are more."),
        "several": N_("Please name at least one other person, or choose that you work alone."),
        "no-coordinator": N_("Somebody has to coordinate: choose that for yourself or for one of the others."),
        "municipality": N_("This does not look like a municipality code of this country."),
        "node-name": N_("The name has another form: small letters, digits and dashes, with dots between."),
        "place": N_("Please choose from the list."),
        "exists": N_("There is a node, or its database, already. Nothing was overwritten."),
        "quarter": N_("There is no such quarter. Choose one from the list."),
        "report-changed": N_(
            "Somebody has saved other words in the meantime. Yours are still here: compare, then save."
        ),
        "report-length": N_("This is too long. A page of text is enough: the figures stand beside it."),
        "report-text": N_("There are signs in it that cannot be printed. Take them out, and save again."),
        "return-incomplete": N_("Some fields still need a number, 0 for zero, or n for not collected."),
        "not-asked": N_("Please say that the agency has asked you, or let it enter its figures itself."),
        "stale-form": N_(
            "Somebody has stored other figures since you opened this page. What you typed is still here: compare it "
            "with what is stored, then save again."
        ),
        "confirm": N_("Please read what happens with figures that are late or already released, and say yes to it."),
        "look-again": N_(
            "This would store something else than the page has shown. Look at what would change, then save."
        ),
        "none-and-some": N_(
            "You have ticked that nothing of a table was collected, but there are numbers in it. Take one of them away."
        ),
        "bad-rows": N_("Some rows are not right, so nothing was stored. Correct them in your table and send it again."),
        "columns": N_("Please say for at least one column what it is, and use everything once."),
        "reported-twice": N_("These figures were reported in another way before. Ask the coordinator which counts."),
        "duty": N_("This cannot be agreed on. The line below says what was expected."),
        "duty-unknown": N_("This agreement has ended already."),
        "sheet": N_("This table cannot be read. Copy the cells again, or save the file again and send that."),
        "sheet-comma": N_(
            "A row has more cells than there are headers. Write numbers without a comma, and send it again."
        ),
        "sheet-empty": N_("There is nothing in this table. It needs a row of headers and the figures below it."),
        "sheet-kind": N_("This is no Excel or CSV file that can be read. Save it as .xlsx or .csv and send that."),
        "sheet-too-large": N_("This table is too large for a page. Send the last months only."),
        "file-name": N_("The name of this file, or of a part of it, is not allowed. Save it under a plain name."),
        "formula": N_("There are formulas in this table. Copy it, paste it as values only, and send that."),
        "macro": N_("There are macros in this file. Save it as .xlsx and send that."),
        "hidden-sheet": N_("There are hidden sheets in this file. Delete them, or copy the figures into a new file."),
        "activity": N_("This activity cannot be planned so. The line below says what was expected."),
        "no-agency": N_("Your account belongs to no agency yet. Ask your administrator to add it to one."),
        "activity-unknown": N_("It is not here, or it is not for you."),
        "activity-title": N_("Please give a short title, such as one for a notice board."),
        "activity-contact": N_("Please say by role whom others may call, such as: head of youth work."),
        "activity-note": N_("This note is too long."),
        "activity-kind": N_("Please choose what kind of activity it is."),
        "activity-area": N_("Please choose a district from the list, or the whole city."),
        "activity-audience": N_("Please choose fewer groups, or none for everybody."),
        "activity-window": N_("Please look at the days: the end is not before the beginning, and a year is the most."),
        "activity-time": N_("Please look at the times: the end comes after the beginning."),
        "activity-day": N_("Please give a day, such as 2026-11-22."),
        "activity-clock": N_("Please give a time, such as 09:30."),
        "stale-activity": N_(
            "Somebody has changed this activity since you opened the page. What you typed is still here: compare it "
            "with what is stored, then save again."
        ),
        "clash-state": N_("This notice has moved on in the meantime. Look at it again."),
        "clash-stale": N_("Somebody was faster: this notice has moved on in the meantime. Look at it again."),
        "districts": N_("Please give each district once, one on each line, with at most 60 characters."),
        "gap-days": N_("Please give a number of days from 0 to 30."),
        "draft-unknown": N_("There is no such draft, or it is not yours."),
        "draft-stale": N_("This was changed in another window. Look at it as it stands now; nothing is lost."),
        "draft-state": N_("This draft is somewhere else by now. Look at where it is."),
        "draft-incomplete": N_("Something is still missing. The list below says what."),
        "draft-too-large": N_("This is more than one draft can hold. Please shorten it."),
        "about-gone": N_(
            "What this is about was taken back by its author, so it cannot be sent. Your text is kept here."
        ),
        "names-city": N_(
            "It would tell which city has written it. Take the name out, or let it go in the city's name."
        ),
        "language": N_("Please choose the language from the list."),
        "release-rule": N_("A rule of the hub does not allow this. The line below says which."),
        "schema": N_("A field has another form than the others can read. The line below says which."),
        "withdrawal": N_("This cannot be taken back like this."),
        "no-release": N_("These figures were not released yet, so there is nothing to correct."),
        "nothing-to-correct": N_("Nothing has changed since the release."),
        "asked-before": N_("Somebody has asked for these figures already."),
        "sealed": N_("Two hubs collect these figures together. They leave as sealed halves, or not at all."),
        "sealed-correction": N_(
            "What went into a sealed total is known to nobody, so it cannot be corrected. Mark the period as a break "
            "in the series (B); what is new counts in the next period."
        ),
        "sealed-share": N_("Sealed figures that were sent cannot be taken back: nobody can take them out of a sum."),
        "sent-before": N_("These figures have left already, or are on their way. No figure leaves twice."),
        "share-lost": N_(
            "This node was restored from an older copy and may have sent these figures before. It waits until the "
            "hubs have said who takes part."
        ),
        "share-differs": N_("The budget was charged for another source, or another epsilon. It cannot be used here."),
        "not-collected": N_("A cell was not collected. A sum has no place for a gap: enter a 0 where there was none."),
        "count-too-large": N_("A count is larger than this collection takes."),
        "records-changed": N_(
            "The records have changed since somebody asked. Take the request back and ask again: it costs nothing more."
        ),
        "erased": N_("What the two halves were made from is erased, because they were sent."),
        "batch-terms": N_("The terms of this collection are not those that your city takes part in."),
        "batch-state": N_("The collection is not open any more."),
        "already-answered": N_("The hub has a share of your city for this collection already."),
        "same-operator": N_("Both hubs are run by the same operator. Nothing is sent to them."),
        "bad-share": N_("A count is out of range, or the two halves do not belong together."),
        "batch-unknown": N_("There is no such collection here."),
        "batch-unreadable": N_("What the hubs have announced does not hold. Tell your hub's operator."),
        "ledger-restored": N_(
            "This node is older than what it has released. Put a newer backup in its place, or fetch your own releases "
            "back: local-node ledger resume."
        ),
        "ledger-unconfirmed": N_("The hub has to say first what it has from this city. Try again when it answers."),
        "period": N_("This period cannot be released yet, or not with this length."),
        "unknown-table": N_("The hub's rules do not know this table."),
        "privacy-budget": N_(
            "Nothing is left of what may be told about these people this year. Wait, or release less."
        ),
        "request-unknown": N_("There is no such request."),
        "change-first": N_(
            "Some passages are to be changed. Press “Change the passages” first, then read the text again."
        ),
        "search": N_("This cannot be looked for. Change the words or the filters, and try again."),
        "near": N_("This node does not know yet who is near. Add your hub first."),
        "similar": N_("This node does not know yet what your city is like. Whoever runs the program can add its size."),
        "note-long": N_("This note is too long. What is longer wants to be a document of its own."),
        "view-name": N_("Please give the view a short name."),
        "view-taken": N_("One of your views has this name already. Take another one."),
        "view-many": N_("You have very many views. Remove one that you do not use any more."),
        "mail-unset": N_("The city's mail server is not set up yet."),
        "mail-address": N_("The account has no e-mail address that can be used. Ask your administrator to correct it."),
        "mail-recipient": N_("The mail server does not know this address. Ask your administrator to check it."),
        "mail-refused": N_("The mail server did not take the e-mail. It is tried again by itself."),
        "mail-unreachable": N_("The mail server does not answer. It is tried again by itself."),
        "mail-encryption": N_(
            "The way to the mail server cannot be encrypted, so nothing is sent. Tell your administrator."
        ),
        "mail-password": N_("The mail server does not take the node's password. Tell your administrator."),
        "mail-unsure": N_("The mail server broke off. The e-mail may have arrived, so it is not sent again."),
    }
)
"""Code of an error → what to do, beside what both programs say."""
