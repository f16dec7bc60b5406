// The inbox: new messages are put on top of the list, without a reload.
"use strict";

const list = document.getElementById("messages");
const said = document.getElementById("inbox-status");
const PAUSE = 1500;

function announce(messages) {
  const [{ recipient, subject }] = messages;
  const count = messages.length === 1 ? "1 new message" : `${messages.length} new messages`;
  said.textContent = `${count}: ${subject}, to ${recipient}`;
}

async function look() {
  try {
    if (!document.hidden) {
      const response = await fetch(`${list.dataset.news}?after=${list.dataset.newest}`);
      const { newest, messages, html } = await response.json();
      if (messages.length) {
        list.insertAdjacentHTML("afterbegin", html);
        list.dataset.newest = newest;
        list.hidden = false;
        document.getElementById("inbox-empty").hidden = true;
        announce(messages);
      } else if (said.dataset.failed) {
        said.textContent = "";
      }
      delete said.dataset.failed;
    }
  } catch {
    said.dataset.failed = "";
    said.textContent = "The site does not answer. This page looks again.";
  }
  setTimeout(look, PAUSE);
}

look();
