// Our own script of this name: pages find the same three functions in it.
function turkGetParam(name, defaultValue) {
  const found = new URLSearchParams(window.location.search).get(name);
  return found === null ? (defaultValue === undefined ? "" : defaultValue) : found;
}
function turkGetSubmitToHost() {
  const host = turkGetParam("turkSubmitTo", "").replace(/\/+$/, "");
  return host || window.location.origin;
}
function turkSetAssignmentID(formId, fieldId, submitId) {
  const form = document.getElementById(formId || "mturk_form") || document.forms[0];
  if (!form) return;
  const id = turkGetParam("assignmentId", "");
  const preview = id === "" || id === "ASSIGNMENT_ID_NOT_AVAILABLE";
  let field = document.getElementById(fieldId || "assignmentId") || form.querySelector("[name=assignmentId]");
  if (!field) {
    field = document.createElement("input");
    field.type = "hidden";
    field.name = "assignmentId";
    form.append(field);
  }
  if (!preview) field.value = id;
  form.action = turkGetSubmitToHost() + "/mturk/externalSubmit";
  form.method = "post";
  const button = document.getElementById(submitId || "submitButton") || form.querySelector("[type=submit]");
  if (button && preview) {
    button.disabled = true;
    if ("value" in button && button.localName === "input") button.value = "You must ACCEPT the HIT before you can submit the results.";
  }
}
