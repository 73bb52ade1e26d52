(function () {
  function each(list, act) { for (var i = 0; i < list.length; i++) act(list[i]); }
  each(document.querySelectorAll("button[data-url]"), function (button) {
    var say = button.dataset, out = button.parentNode.querySelector("output");
    function show(kind, words) { out.className = kind; out.textContent = words; button.disabled = kind === ""; }
    function why(tries) {
      if (!say.since) return show("bad", say.bad);
      fetch("/self-test.json?lang=" + document.documentElement.lang + "&since=" + say.since, { cache: "no-store" })
        .then(function (answer) { return answer.json(); })
        .then(function (told) {
          if (told.words) show("bad", say.bad + " " + told.words);
          else if (tries > 0) setTimeout(function () { why(tries - 1); }, 700);
          else show("bad", say.silent);
        })
        .catch(function () { show("bad", say.bad); });
    }
    if (!window.fetch || !window.Promise) { show("bad", say.old); return; }
    button.hidden = false;
    button.addEventListener("click", function () {
      show("", say.trying);
      var late = new Promise(function (_, fail) { setTimeout(fail, 12000); });
      Promise.race([fetch(say.url + "/", { mode: "no-cors", cache: "no-store", credentials: "omit" }), late])
        .then(function () { show("good", say.good); }, function () { why(3); });
    });
  });
})();
