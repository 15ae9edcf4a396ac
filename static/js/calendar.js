// The calendar: opened without a time zone it is shown in the one of the browser.
(function () {
  const shown = document.body.dataset.calendarZone;
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!shown || !own || shown === own) return;
  const here = new URL(location.href);
  here.searchParams.set("zone", own);
  location.replace(here);
})();
