package web

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// A person logs in with the form, sees the own name, and is logged out when the line is removed.
func TestBrowserLogin(t *testing.T) {
	f := newUsersFile(t)
	b := setup(t, settings{config: Config{Users: f.File}})
	p := newTab(t, b)
	p.press(`form[action="/logout"] button`)
	p.text("h1", "Log in")
	p.true(`document.activeElement.name === "name"`, "the name can be typed at once")
	p.axe(readAxe(t), "the form of the login")
	typeIn := func(name, password string) {
		t.Helper()
		p.do(chromedp.SendKeys(chromedp.CSS(`input[name=name]`), name), chromedp.SendKeys(chromedp.CSS(`input[name=password]`), password))
		p.press(`form[action="/login"] button.main`)
	}
	typeIn("anna", "wrong password")
	p.text("[role=alert]", "The name or the password is wrong.")
	typeIn("anna", annasPassword)
	p.do(chromedp.WaitVisible(chromedp.CSS(`nav[aria-label=Pages]`)))
	p.true(`document.querySelector("form[action='/logout'] button").title.startsWith("anna at ")`, "the page names the person")
	p.press(`nav a[href="/sessions"]`)
	p.text("td", "anna (checked)")
	p.text("td", "this browser")
	f.write(f.read()[1])
	p.open("/batches")
	p.text("h1", "Log in")
	p.true(`location.search === "?next=%2Fbatches"`, "the login leads back to the page")
	typeIn("ben", bensPassword)
	p.text("h1", "Batches")
	p.true(`!document.querySelector("nav a[href='/sessions']")`, "ben may only look")
}
