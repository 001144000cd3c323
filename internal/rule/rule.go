// Package rule owns rules: which assets of a site get a new name or alt text, and
// which one. It knows no database, no API and no files.
//
// A Rule is made of three parts: Match says which assets, Change says what becomes of
// them, and Sort in which order they are numbered. As JSON its fields are the flags of
// `relabel rename`. Apply works a rule out for all assets of a site and returns the
// renames, and what a person should know before they are sent: which new names several
// assets would share, and which assets can't be renamed.
//
//	r := rule.Rule{
//		Match:  rule.Match{Names: []string{"IMG_*"}},
//		Change: rule.Change{Template: "hero-{n:03}{ext}"},
//	}
//	result, err := r.Apply(assets)
//
// The same rule on the same assets always has the same result. An extension is never
// lost or changed unless Change.ChangeExtension is set.
package rule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Rule says which assets change, and how. All parts of Match must hold; within a list
// one entry is enough.
type Rule struct {
	Match
	Change

	Sort string `json:"sort,omitempty"` // SortName (also if empty) or SortCreated
}

// How the assets are numbered.
const (
	SortName    = "name"    // by display name, IMG_2 before IMG_10
	SortCreated = "created" // by the time of the upload, the oldest first
)

// Match chooses assets. The zero Match chooses all.
type Match struct {
	Names        []string `json:"match,omitempty"`         // globs for the display name
	Exclude      []string `json:"exclude,omitempty"`       // globs for display names that are left alone
	Regex        string   `json:"regex,omitempty"`         // found in the display name
	IgnoreCase   bool     `json:"ignore_case,omitempty"`   // in Names, Exclude, Regex and Find
	Folders      []string `json:"folder,omitempty"`        // paths; folders below belong to them
	Types        []string `json:"type,omitempty"`          // globs for the content type: image/*
	MissingAlt   bool     `json:"missing_alt,omitempty"`   // only assets without an alt text
	LargerThan   string   `json:"larger_than,omitempty"`   // a size such as 2MB
	CreatedAfter string   `json:"created_after,omitempty"` // a date, or a time with its zone
	Locale       string   `json:"locale,omitempty"`        // whose texts are read and changed; empty: the primary one
}

// Change says what becomes of an asset. Find and Replace are applied first, in their
// order; their result is the {stem} of the templates.
type Change struct {
	Replacements    []Replacement `json:"replacements,omitempty"`
	Template        string        `json:"template,omitempty"`
	AltTemplate     string        `json:"alt_template,omitempty"`
	ChangeExtension bool          `json:"change_extension,omitempty"` // Find and Template work on the whole name
	SkipTaken       bool          `json:"skip_taken,omitempty"`       // {n} leaves out numbers whose name another asset has
}

// Replacement replaces everything that a regular expression finds.
type Replacement struct {
	Find string `json:"find"`
	With string `json:"replace"` // $1 is the first group, $$ a dollar sign
}

// Asset is one asset of a site, as a rule sees it.
type Asset struct {
	ID       string
	Name     string // the display name
	Alt      string // empty: it has none
	Original string // the name of the uploaded file
	Folder   string // its path, such as Team/2026; empty at the root
	Type     string // the content type
	Size     int64  // bytes
	Created  time.Time
	Other    bool // the rule is not for it, whatever it matches: only its name counts, for collisions
}

// Parse reads a rule that was stored as JSON. It refuses fields that this version does
// not know: leaving one out would change more assets than meant.
func Parse(text []byte) (Rule, error) {
	var r Rule
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Rule{}, fmt.Errorf("error reading the rule: %w", err)
	}
	return r, r.Check()
}

// Check returns an *Error for the first part of the rule that can't be used.
func (r Rule) Check() error {
	_, err := r.compile()
	return err
}
