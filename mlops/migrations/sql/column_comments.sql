-- Comments on partitioned tables and their columns: django-postgres-extra does not write them when it
-- creates such a table. The texts are those of the models.
COMMENT ON COLUMN system_metrics.id IS 'primary key';
COMMENT ON COLUMN system_metrics.source IS 'machine or service';
COMMENT ON COLUMN system_metrics.name IS 'name of the metric, for example disk_used_percent';
COMMENT ON COLUMN system_metrics.value IS 'NULL: a log line';
COMMENT ON COLUMN system_metrics.level IS 'log level; empty for measurements';
COMMENT ON COLUMN system_metrics.message IS 'log line; empty for measurements';
COMMENT ON COLUMN system_metrics.measured_at IS 'when it was measured; partition key';
COMMENT ON TABLE system_metrics IS 'Measurements and log lines of systems, partitioned by month';
