package report

// SiteFlag is the --site flag that a command for this site needs; the default site
// needs none.
func SiteFlag(site string) string {
	if site == "default" {
		return ""
	}
	return " --site " + site
}
