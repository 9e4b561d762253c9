import puppeteer from "puppeteer-core";
const [page, prefix, w, sel, n] = process.argv.slice(2);
const b = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const p = await b.newPage(); await p.setViewport({ width: Number(w), height: 1200 });
await p.goto("file://" + page);
const els = await p.$$(sel); console.log(els.length);
await els[Number(n)].screenshot({ path: prefix });
await b.close();
