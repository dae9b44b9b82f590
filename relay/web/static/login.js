// A link's secret stands behind the # of the address: into the field with it, and out of the address and the history.
const secret = decodeURIComponent(location.hash.slice(1));
if (secret.startsWith("rl_")) {
  history.replaceState(null, "", location.pathname);
  document.getElementById("secret").value = secret;
  document.querySelector("form button").focus();
}
