// SPDX-License-Identifier: MIT
// node browser.js CHROMIUM PAGE_URL CASES: runs the page in headless Chromium. CASES is JSON, a list of argument lists of
// the page's roundtrip(); prints the list of results as JSON.
const { chromium } = require('playwright-core');

(async () => {
  const [executablePath, page_url, cases] = process.argv.slice(2);
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  });
  try {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(error));
    await page.goto(page_url);
    const results = [];
    for (const one of JSON.parse(cases)) {
      results.push(await page.evaluate((arguments_) => roundtrip(...arguments_), one));
    }
    console.log(JSON.stringify(results));
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
