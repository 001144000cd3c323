package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"relabel/db"
)

// connections shows the process's pool of database connections.
type connections struct {
	db                         *db.DB
	open, most, waits, seconds *prometheus.Desc
}

func newConnections(d *db.DB) *connections {
	return &connections{
		db:      d,
		open:    desc("relabel_db_connections", "Database connections of this process by state: idle, or in use.", "state"),
		most:    desc("relabel_db_connections_max", "The most database connections that this process opens."),
		waits:   desc("relabel_db_acquires_total", "How often this process took a database connection."),
		seconds: desc("relabel_db_acquire_wait_seconds_total", "How long this process waited for database connections in total."),
	}
}

// Describe implements prometheus.Collector.
func (c *connections) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.open, c.most, c.waits, c.seconds} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *connections) Collect(out chan<- prometheus.Metric) {
	st := c.db.Pool().Stat()
	out <- gauge(c.open, float64(st.IdleConns()), "idle")
	out <- gauge(c.open, float64(st.AcquiredConns()), "used")
	out <- gauge(c.most, float64(st.MaxConns()))
	out <- prometheus.MustNewConstMetric(c.waits, prometheus.CounterValue, float64(st.AcquireCount()))
	out <- prometheus.MustNewConstMetric(c.seconds, prometheus.CounterValue, st.AcquireDuration().Seconds())
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
