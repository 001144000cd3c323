// Package webflow is relabel's client of Webflow's Data API v2: Update Asset, Get
// Asset, List Assets and Get Site.
//
// It owns the token's safe keeping, the form of each request, the deadline of a
// call, the reading of answers (bounded, decoded, checked) and one mapping from
// what happened to a Kind. It sends each call once: it neither waits for the rate
// limit nor retries, and it does not decide what an answer means for a rename. That
// is done where the rename is known, by switching on Kind.
package webflow
