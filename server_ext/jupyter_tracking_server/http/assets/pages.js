// Clients print links such as https://host/#/experiments/7/runs/abc. What follows the # stays in the browser,
// so only a script can tell where they lead: to that run's page here, or after the login to it.
"use strict";
{
  const { root, login } = document.currentScript.dataset;
  const follow = () => {
    const found = /^#\/experiments\/(\d+)(?:\/runs\/([\w-]+))?(?:[/?].*)?$/.exec(location.hash);
    const page = found && (found[2] ? `/runs/${found[2]}` : `/experiments/${found[1]}`);
    if (login !== undefined) {
      location.replace(login + encodeURIComponent(page ?? "/"));
    } else if (page) {
      location.replace(root + page);
    }
  };
  addEventListener("hashchange", follow);
  follow();
}
