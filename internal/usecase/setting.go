package usecase

import "fmt"

// SettingError is a setting of a site or a schedule that cannot be stored.
type SettingError struct {
	Setting string // as the command line calls it, without the dashes: max-change
	Problem string // follows the name of the setting: " is changed or all"
}

// WrongSetting makes a SettingError.
func WrongSetting(setting, problem string, args ...any) error {
	return &SettingError{Setting: setting, Problem: fmt.Sprintf(problem, args...)}
}

func (e *SettingError) Error() string { return e.For(e.Setting) }

// For is the error's text with another name for the setting, such as its flag or its
// label in a form.
func (e *SettingError) For(name string) string { return name + e.Problem }
