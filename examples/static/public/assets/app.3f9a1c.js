// The address decides what is shown: that is why every one of them gets index.html.
document.querySelector("#place").textContent = `You are at ${location.pathname}`;
